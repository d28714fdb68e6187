// A smoke set of the walls on another kernel (Debian's 6.1); runs in the virtual machine (scripts/vm.mjs).
import { readlinkSync } from "node:fs";
import * as assert from "uvu/assert";
import { TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("walls on Debian's kernel", { testSeconds: 120, timeoutSeconds: 300 });
const needs = requires("root", "cgroup2", "libseccomp");

const namespaces = ["mnt", "net", "uts", "ipc", "cgroup", "user"] as const;

test("every namespace is the job's own", needs, async () => {
  await using zygote = await TestZygote.open();
  const { stdout } = await zygote.run(namespaces.map((name) => `readlink /proc/self/ns/${name}`).join("; "));
  const own = stdout.trim().split("\n");
  assert.is(own.length, namespaces.length);
  for (const [i, name] of namespaces.entries()) assert.is.not(own[i], readlinkSync(`/proc/self/ns/${name}`), name);
});

test("no capability, no new privileges, a filter, nothing blocked or ignored", needs, async () => {
  await using zygote = await TestZygote.open();
  const { stdout } = await zygote.run("grep -E '^(Cap|NoNewPrivs|Seccomp:|SigBlk|SigIgn)' /proc/self/status");
  const zero = "0000000000000000";
  const expected = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map((set) => `${set}:\t${zero}`);
  const status = stdout.trim().split("\n");
  for (const line of [...expected, "NoNewPrivs:\t1", "Seccomp:\t2"])
    assert.ok(status.includes(line), `${line} in\n${stdout}`);
});

test("the supervisor is out of sight and reach", needs, async () => {
  await using zygote = await TestZygote.open();
  const { stdout, record } = await zygote.run("ls /proc/1 | wc -l; kill -9 1 2>&1; kill -9 -1; echo alive");
  assert.match(stdout, /^0\n/);
  assert.is(record.cause === "EXITED" || record.signal === "SIGKILL", true);
});

test("root is read-only, mounting is refused, a folder of the host appears as granted", needs, async () => {
  await using zygote = await TestZygote.open();
  const script = "touch /x /usr/x; mount -t tmpfs none /mnt; touch /data/x; ls -d /data";
  const grants = [{ source: "/podium/docs", target: "/data", writable: false }];
  const { stdout, stderr } = await zygote.start({ argv: ["sh", "-c", script], grants }).then((job) => job.finished);
  assert.is(stdout, "/data\n");
  assert.is(
    stderr.split("\n").filter((line) => /Read-only|denied|permitted|superuser/.test(line)).length >= 4,
    true,
    stderr,
  );
});

test("a timeout ends a job with everything in it", needs, async () => {
  await using zygote = await TestZygote.open();
  const { record } = await zygote.run("trap '' TERM; setsid sleep 100 & sleep 100", { timeoutMs: 1000 });
  assert.is(record.cause, "TIMEOUT");
});
