// A server takes over the jobs of the one before: each by who its supervisor is and what its command is, pid and start time,
// never by a number alone, which may be a stranger's by now.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { waitForJob } from "../../src/client/jobs.ts";
import { Canary, living } from "../support/processes.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("adoption");
const root = requires("root", "libseccomp");

function fileOf({ data }: TestServer, id: string, name: string): string {
  return join(data, "jobs", id, name);
}

/** pid and start time, as the job's folder has them. */
function kept(server: TestServer, id: string, role: string): [pid: number, startTicks: number] {
  const line = readFileSync(fileOf(server, id, "group"), "utf8")
    .split("\n")
    .find((text) => text.startsWith(`${role} `));
  const [, pid, startTicks] = (line ?? "").split(" ").map(Number);
  return [pid ?? 0, startTicks ?? 0];
}

/** Field 22 of proc_pid_stat(5). */
function startTicksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
}

async function started(server: TestServer, options: readonly string[]): Promise<string> {
  const { stdout, stderr } = await server.podium("alice", ["start", ...options, "--", "sleep", "1000"]);
  assert.match(stdout, /^\d+\n$/, stderr);
  return stdout.trim();
}

/** What every way into the job answers, each refused as for a job that is over. */
async function assertClosed(server: TestServer, id: string): Promise<void> {
  const exec = await server.podium("alice", ["exec", id, "--", "true"]);
  assert.equal([exec.code, /job \d+ has ended/.test(exec.stderr)], [125, true], exec.stderr);
  const copy = await server.podium("alice", ["cp", `${id}:/etc/hostname`, "/dev/null"]);
  assert.is.not(copy.code, 0);
  const check = await server.podium("alice", ["netcheck", id, server.address]);
  assert.equal([check.stdout, /the job is over/.test(check.stderr)], ["", true], check.stdout + check.stderr);
}

test("what is kept of a job names its supervisor and its command, made ready or for its request", root, async () => {
  await using server = await TestServer.start();
  for (const options of [[], ["--tmpfs", "/scratch"]]) {
    const id = await started(server, options);
    const [command, commandTicks] = kept(server, id, "command");
    const [init, initTicks] = kept(server, id, "init");
    assert.is(`${command}\n`, readFileSync(fileOf(server, id, "pid"), "utf8"));
    assert.equal([commandTicks, initTicks], [startTicksOf(command), startTicksOf(init)]);
    assert.match(readFileSync(`/proc/${command}/status`, "utf8"), new RegExp(`^PPid:\\t${init}$`, "m"));
  }
});

test("a pid file that names a stranger leads nobody to it: no way into the job, no signal", root, async () => {
  using canary = new Canary();
  await using server = await TestServer.start();
  const id = await started(server, []);
  const [command] = kept(server, id, "command");
  await server.kill();
  writeFileSync(fileOf(server, id, "pid"), `${canary.pid}\n`);
  await server.start();
  await assertClosed(server, id);
  const stopped = await server.podium("alice", ["stop", "--grace", "0s", id]);
  assert.is(stopped.code, 0, stopped.stderr);
  assert.not.ok(living(command));
  assert.ok(canary.lives);
  using podium = server.connect("alice");
  assert.is((await waitForJob(podium, BigInt(id))).outcome?.cause, "STOPPED");
});

test("a command's pid with another start time is another process, which nobody enters", root, async () => {
  await using server = await TestServer.start();
  const id = await started(server, []);
  await server.kill();
  await server.start();
  assert.is((await server.podium("alice", ["exec", id, "--", "true"])).code, 0);
  const group = fileOf(server, id, "group");
  const [pid, startTicks] = kept(server, id, "command");
  const text = readFileSync(group, "utf8");
  writeFileSync(group, text.replace(`command ${pid} ${startTicks}`, `command ${pid} ${startTicks - 1}`));
  await assertClosed(server, id);
  writeFileSync(group, text);
});

test("a stranger that listens where the supervisor did is not taken for it, and hears nothing", root, async () => {
  await using server = await TestServer.start();
  const id = await started(server, []);
  const [init] = kept(server, id, "init");
  await server.kill();
  process.kill(init, "SIGKILL");
  rmSync(fileOf(server, id, "control"));
  let heard = 0;
  const stranger = createServer((socket) => socket.on("data", ({ length }) => (heard += length)).on("error", () => {}));
  await new Promise<void>((resolve) => stranger.listen(fileOf(server, id, "control"), resolve));
  await server.start();
  using podium = server.connect("alice");
  const { outcome } = await waitForJob(podium, BigInt(id));
  assert.is(outcome?.cause, "LOST");
  assert.is((await server.podium("alice", ["stop", id])).code, 0);
  assert.is(heard, 0);
  await new Promise((resolve) => stranger.close(resolve));
});
