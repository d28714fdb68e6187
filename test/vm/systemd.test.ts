// Where podium's groups go on a host with systemd: a delegated scope of its own, however podium was started. This file runs
// in the virtual machine after the others, when systemd has become pid 1 there (scripts/vm-disks.mjs).
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { podiumScript } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("systemd", { testSeconds: 120, timeoutSeconds: 300 });
const needs = requires("root", "cgroup2", "systemd");
const hog = `${podiumScript} sandbox --net none --memory=32M -- tail /dev/zero`;

function run(...command: [string, ...string[]]) {
  return spawnSync(command[0], command.slice(1), { encoding: "utf8", timeout: 100_000 });
}

function assertLimited({ status, stderr }: { status: number | null; stderr: string }): void {
  assert.equal([status, /OOM: out of memory \(limit 32M/.test(stderr)], [137, true], stderr);
}

async function assertNoScopeLeft(): Promise<void> {
  const scopes = () => readdirSync("/sys/fs/cgroup/system.slice").filter((name) => /^podium-.*\.scope$/.test(name));
  for (let looks = 0; scopes().length > 0 && looks < 100; looks++) await sleep(100);
  assert.equal(scopes(), []);
}

test("C15 limits hold in a unit with Delegate=yes", needs, async () => {
  assertLimited(run("systemd-run", "--quiet", "--wait", "--pipe", "-p", "Delegate=yes", "sh", "-c", hog));
  await assertNoScopeLeft();
});

test("C15 limits hold from a login's scope, which holds other processes too", needs, async () => {
  const script = `sleep 90 & ${hog}; code=$?; kill %1; exit $code`;
  assertLimited(run("systemd-run", "--quiet", "--scope", "--slice=user.slice", "bash", "-c", script));
  await assertNoScopeLeft();
});

test("C15 limits hold from the root group", needs, async () => {
  assert.ok(existsSync("/sys/fs/cgroup/cgroup.procs"));
  assertLimited(run("sh", "-c", `echo $$ > /sys/fs/cgroup/cgroup.procs && exec ${hog}`));
  await assertNoScopeLeft();
});

test("the groups are in a scope of podium's own", needs, async () => {
  const look = "ls -d /sys/fs/cgroup/system.slice/podium-*.scope/podium-*/jobs 2>/dev/null";
  const script = `${podiumScript} sandbox --net none -- sleep 20 & for i in $(seq 80); do ${look} && break; sleep 0.3; done; wait`;
  const { stdout, stderr } = run("systemd-run", "--quiet", "--scope", "bash", "-c", script);
  assert.match(
    stdout,
    /^\/sys\/fs\/cgroup\/system\.slice\/podium-([0-9a-f]+)\.scope\/podium-\1\/jobs$/m,
    stdout + stderr,
  );
  await assertNoScopeLeft();
});
