// `podium sandbox` with a network of its own: what it has, and that nothing of it is left.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { namespaceNames } from "../../net/namespaces.ts";
import { tools } from "../support/net-server.ts";
import { enterWorld, ip, outside, outsidePeer } from "../support/net-world.ts";
import { descendantsOf, living } from "../support/processes.ts";
import { podiumScript, startProgram } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { namespaceEndSeconds, until } from "../support/until.ts";

const test = suite("podium sandbox with a network", { testSeconds: 400 });
const needs = requires("root", "libseccomp", "nft", "ip", "netadmin");

function start(...args: string[]) {
  return startProgram(podiumScript, ["sandbox", ...args], { input: "" });
}

async function run(...args: string[]) {
  const { code, stdout, stderr } = await start(...args).ended;
  return { code, stdout: stdout.toString(), stderr };
}

/** What belongs to any podium in this world. */
function traces(): string[] {
  const links = ip("-o", "link")
    .split("\n")
    .filter((line) => /: (pod-|pv)/.test(line));
  const tables = execFileSync("nft", ["list", "tables"], { encoding: "utf8" }).split("\n");
  const folders = readdirSync("/run/podium").filter((name) => name.startsWith("local-"));
  return [
    ...links,
    ...tables.filter((line) => line.includes("podium")),
    ...namespaceNames().filter((name) => name.startsWith("podium")),
    ...folders,
  ];
}

async function settled(): Promise<string[]> {
  const deadline = performance.now() + namespaceEndSeconds * 1000;
  while (traces().length > 0 && performance.now() < deadline) await sleep(50);
  return traces();
}

test("a network is the default, with its policy and published ports, and goes with the sandbox", needs, async () => {
  enterWorld();
  await using out = await outsidePeer();
  const script = `${tools} tcp ${outside.address} 80; tcp ${outside.other} 80; ip route | head -n1 | cut -d' ' -f1`;
  const { stdout, stderr } = await run("--deny", outside.other, "--", "bash", "-c", script);
  assert.is(stdout, `${outside.host}\nno\ndefault\n`, stderr);
  const serve = `perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(Listen=>5,LocalPort=>80); $|=1; print "up\\n"; $c=$s->accept; print $c "sandbox\\n"; close $c'`;
  const served = start("-p", "8088:80", "--", "sh", "-c", serve);
  await served.sees("up");
  assert.is(await out.tcp(outside.host, 8088), "sandbox");
  assert.is((await served.ended).code, 0);
  assert.equal(await settled(), []);
});

test("what cannot be had is refused in the words of the command line, and leaves nothing", needs, async () => {
  enterWorld();
  await using _out = await outsidePeer();
  const unreachable = await run("--require-reachable", `${outside.address}:9`, "--", "true");
  assert.is(unreachable.code, 125);
  assert.is(
    unreachable.stderr.split("\n")[0],
    `podium: --require-reachable: ${outside.address}:9 from inside the job: refused (${outside.address}, ECONNREFUSED)`,
  );
  assert.match(
    (await run("--allow", "169.254.169.254", "--", "true")).stderr,
    /^podium: --allow: 169\.254\.169\.254 is in 169\.254\.0\.0\/16, which/,
  );
  assert.match(
    (await run("--net", "none", "-p", "1:1", "--", "true")).stderr,
    /^podium: --publish: there is no network with --net none/,
  );
  assert.equal(await settled(), []);
});

test("what a killed podium sandbox left of its network is removed by the next one", needs, async () => {
  enterWorld();
  const killed = start("--", "sh", "-c", "echo up; sleep 1000");
  await killed.sees("up");
  const family = descendantsOf(killed.pid);
  killed.child.kill("SIGKILL");
  await killed.ended;
  await until("its job ends with it", () => !family.some(living));
  assert.ok(traces().length > 0);
  assert.is((await run("--net", "none", "--", "true")).code, 0);
  assert.equal(await settled(), []);
});

test("a root whose resolv.conf is a link to nowhere gets one", needs, async () => {
  enterWorld();
  using folder = temporaryFolder();
  for (const name of ["etc", "usr", "bin"]) mkdirSync(join(folder.path, name));
  symlinkSync("../run/systemd/resolve/stub-resolv.conf", join(folder.path, "etc/resolv.conf"));
  writeFileSync(join(folder.path, "etc/passwd"), "root:x:0:0:root:/:/bin/sh\n");
  execFileSync("cp", ["/bin/busybox", join(folder.path, "bin/busybox")]);
  const { stdout, stderr } = await run(
    "--rootfs",
    folder.path,
    "--",
    "/bin/busybox",
    "cat",
    "/etc/resolv.conf",
    "/etc/hosts",
  );
  assert.match(stdout, /nameserver|names cannot be resolved/, stderr);
  assert.match(stdout, /^10\.\S+\tsandbox$/m);
  assert.equal(await settled(), []);
});
