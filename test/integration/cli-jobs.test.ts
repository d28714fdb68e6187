// `podium status`, `ps`, `wait`, `stop` and `rm` against a real server.
import { chownSync, cpSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { loadProgram } from "../../src/cli/program.ts";
import { root as checkout } from "../support/runner/catalog.ts";
import { startProgram } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const test = suite("podium status, ps, wait, stop and rm");
const root = requires("root", "libseccomp");

const jobKeys = [
  ...["id", "name", "user", "state", "outcome", "createdAt", "startedAt", "finishedAt", "command", "limits", "usage"],
];
const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

async function json(server: TestServer, user: string, ...args: readonly string[]) {
  const { code, stdout, stderr } = await server.podium(user, [...args, "-o", "json"]);
  assert.equal([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

test("status -o json begins with the keys of the contract, while the job runs and after", root, async () => {
  await using server = await TestServer.start();
  const start = ["start", "--name", "web", "--cpus", "0.5", "-m", "64M", "--timeout", "90s", "--", "sleep", "100"];
  assert.is((await server.podium("alice", start)).stdout, "1\n");
  const live = await json(server, "alice", "status", "web");
  assert.equal(Object.keys(live).slice(0, jobKeys.length), jobKeys);
  assert.equal([live.id, live.name, live.user, live.state, live.outcome], [1, "web", "alice", "RUNNING", null]);
  assert.equal([live.command, live.finishedAt], [["sleep", "100"], null]);
  assert.match(live.createdAt, rfc3339);
  assert.match(live.startedAt, rfc3339);
  const limits = { cpus: 0.5, memoryBytes: 64 << 20, ioBytesPerSecond: 0, pids: 512, timeoutSeconds: 90 };
  assert.equal(Object.entries(live.limits).slice(0, 5), Object.entries(limits));
  assert.equal(Object.keys(live.usage).slice(0, 4), ["cpuSeconds", "memoryBytes", "memoryPeakBytes", "pids"]);
  assert.is(live.usage.pids, 1);

  await server.podium("alice", ["stop", "web"]);
  const ended = await json(server, "alice", "status", "1");
  assert.equal(Object.keys(ended), Object.keys(live));
  const outcome = { cause: "STOPPED", exitCode: null, signal: "SIGTERM", by: "alice", message: "stopped by alice" };
  assert.equal([ended.state, ended.outcome], ["FAILED", outcome]);
  assert.match(ended.finishedAt, rfc3339);
  assert.is(ended.usage.pids, 0);
});

test("an exit by itself has a code and no signal, a failed start neither", root, async () => {
  await using server = await TestServer.start();
  await server.podium("alice", ["run", "--", "true"]);
  const done = await json(server, "alice", "status", "1");
  assert.equal([done.state, done.outcome.exitCode, done.outcome.signal, done.outcome.by], ["COMPLETED", 0, null, ""]);
  await server.podium("alice", ["run", "no-such-program"]);
  const failed = await json(server, "alice", "status", "2");
  assert.equal([failed.state, failed.startedAt], ["FAILED", null]);
  assert.equal([failed.outcome.cause, failed.outcome.exitCode, failed.outcome.signal], ["START_FAILED", null, null]);
});

test("ps lists running jobs, -a all, and for an admin everybody's", root, async () => {
  await using server = await TestServer.start();
  await server.podium("alice", ["run", "--", "sh", "-c", "exit 3"]);
  await server.podium("alice", ["start", "--name", "mine", "--", "sleep", "100"]);
  await server.podium("bob", ["start", "--", "sleep", "it's"]);
  const ids = async (user: string, ...args: string[]) =>
    (await json(server, user, "ps", ...args)).map((job: { id: number }) => job.id);
  assert.equal([await ids("alice"), await ids("alice", "-a"), await ids("bob")], [[2], [1, 2], []]);
  assert.equal([await ids("admin"), await ids("viewer", "--all")], [[2], [1, 2, 3]]);
  const { stdout } = await server.podium("alice", ["ps", "-a"]);
  const lines = stdout.trimEnd().split("\n");
  assert.match(lines[0] ?? "", /^ID {2}NAME {2}USER {3}STATE +CREATED {2}COMMAND$/);
  assert.match(lines[1] ?? "", /^1 +alice {2}FAILED \(exit 3\) +\d+s ago +sh -c 'exit 3'$/);
  assert.match(lines[2] ?? "", /^2 {3}mine {2}alice {2}RUNNING +\d+s ago +sleep 100$/);
  assert.match((await server.podium("viewer", ["ps", "-a"])).stdout, "sleep 'it'\\''s'");
});

test("status for people has a line for each thing there is to tell", root, async () => {
  await using server = await TestServer.start();
  await server.podium("alice", ["run", "-m", "64M", "--name", "hog", "--", "tail", "/dev/zero"]);
  const { stdout } = await server.podium("alice", ["status", "hog"]);
  const told = new Map(
    stdout
      .trimEnd()
      .split("\n")
      .map((line) => [line.slice(0, 10).trim(), line.slice(10)]),
  );
  assert.is(told.get("state"), "FAILED");
  assert.is(told.get("outcome"), "OOM: out of memory (limit 64M, peak 64M)");
  assert.is(told.get("command"), "tail /dev/zero");
  assert.is(told.get("memory"), "64M at most, limit 64M");
  assert.match(told.get("finished") ?? "", /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(\d+s ago\)$/);
});

test("what a user named cannot reach the terminal of another as control characters", root, async () => {
  await using server = await TestServer.start();
  await server.podium("alice", ["start", "--", "sh", "-c", "sleep 100", "\u001b[2J", "a\nb"]);
  for (const args of [["ps"], ["status", "1"]]) {
    const { stdout } = await server.podium("admin", args);
    assert.not.match(stdout, "\u001b");
    assert.match(stdout, "'\\x1b[2J' 'a b'");
  }
});

test("wait ends with the first exit code that is not 0, in the order given", root, async () => {
  await using server = await TestServer.start();
  for (const script of ["sleep 0.4", "sleep 0.6; exit 4", "exit 5"]) {
    await server.podium("alice", ["start", "--", "sh", "-c", script]);
  }
  const all = await server.podium("alice", ["wait", "1", "2", "3"]);
  assert.equal([all.code, all.stdout, all.stderr], [4, "", ""]);
  assert.is((await server.podium("alice", ["wait", "3", "2"])).code, 5);
  assert.is((await server.podium("alice", ["wait", "1"])).code, 0);
  await server.podium("alice", ["start", "--name", "long", "--", "sleep", "100"]);
  const waiting = server.cli("alice", ["wait", "long"]);
  await sleep(500);
  assert.is(waiting.child.exitCode, null);
  await server.podium("alice", ["stop", "long", "--signal", "KILL"]);
  const { code, stderr } = await waiting.ended;
  assert.equal([code, stderr], [137, "podium: job 4: STOPPED: stopped by alice\n"]);
});

test("stop takes several jobs, a signal and a grace period, and returns when they are gone", root, async () => {
  await using server = await TestServer.start();
  const stubborn = "trap '' TERM HUP; setsid sleep 100 & echo ready; while :; do sleep 0.05; done";
  await server.podium("alice", ["start", "--name", "stubborn", "--", "sh", "-c", stubborn]);
  const polite = "trap 'exit 6' HUP; echo ready; while :; do sleep 0.05; done";
  await server.podium("alice", ["start", "--", "sh", "-c", polite]);
  const ready = (id: number) => readFileSync(join(server.data, `jobs/${id}/stdout`), "utf8") === "ready\n";
  await until("both have set their traps", () => ready(1) && ready(2));
  const start = performance.now();
  const stopped = await server.podium("alice", ["stop", "stubborn", "2", "--signal", "SIGHUP", "--grace", "3s"]);
  assert.equal([stopped.code, stopped.stdout, stopped.stderr], [0, "", ""]);
  assert.ok(performance.now() - start >= 3_000, "the grace is kept");
  const jobs = await json(server, "alice", "ps", "-a");
  assert.is(jobs[0].outcome.signal, "SIGKILL");
  assert.equal(
    jobs.map((job: { outcome: { cause: string } }) => job.outcome.cause),
    ["STOPPED", "STOPPED"],
  );
  assert.is(jobs[1].outcome.exitCode, 6);
  assert.is((await server.podium("alice", ["stop", "1", "stubborn"])).code, 0);
});

test("rm removes finished jobs, refuses running ones, and does what it can of a list", root, async () => {
  await using server = await TestServer.start();
  await server.podium("alice", ["run", "true"]);
  await server.podium("alice", ["start", "--name", "busy", "--", "sleep", "100"]);
  const removed = await server.podium("alice", ["rm", "busy", "1", "99"]);
  assert.is(removed.code, 125);
  assert.is(removed.stderr, "podium: job 2 is still running; stop it first\npodium: there is no job 99\n");
  assert.equal(readdirSync(join(server.data, "jobs")), ["2"]);
  await server.podium("alice", ["stop", "busy"]);
  assert.equal(await server.podium("alice", ["rm", "busy"]), { code: 0, signal: null, stdout: "", stderr: "" });
});

test("a name is the user's own: another's answers like one that nobody has", root, async () => {
  await using server = await TestServer.start();
  await server.podium("alice", ["start", "--name", "web", "--", "sleep", "100"]);
  for (const command of ["status", "logs", "stop", "wait", "rm"]) {
    const { code, stderr } = await server.podium("bob", [command, "web"]);
    assert.equal([code, stderr], [125, 'podium: you have no job named "web"\n'], command);
    const byId = await server.podium("bob", [command, "1"]);
    assert.equal([byId.code, byId.stderr], [125, "podium: there is no job 1\n"], command);
  }
  const taken = await server.podium("alice", ["start", "--name", "web", "--", "true"]);
  assert.is(taken.code, 125);
  assert.match(taken.stderr, /^podium: name: "web" belongs to job 1; /);
  assert.is((await server.podium("bob", ["start", "--name", "web", "--", "true"])).code, 0);
});

test("ps --filter finds jobs by label, name, state and user; status tells the labels", root, async () => {
  await using server = await TestServer.start();
  await server.podium("alice", ["run", "--label", "tier=web", "--label", "v=1=2", "--", "true"]);
  await server.podium("alice", ["start", "--name", "mine", "--label", "tier=db", "--label", "x", "--", "sleep", "100"]);
  await server.podium("bob", ["start", "--label", "tier=web", "--", "sleep", "100"]);
  const ids = async (user: string, ...args: string[]) =>
    (await json(server, user, "ps", ...args)).map((job: { id: number }) => job.id);
  const filters: readonly [string, readonly string[], readonly number[]][] = [
    ["alice", ["--filter", "label=tier"], [2]],
    ["alice", ["-a", "--filter", "label=tier"], [1, 2]],
    ["alice", ["-a", "--filter", "label=tier=web"], [1]],
    ["alice", ["-a", "--filter", "label=v=1=2"], [1]],
    ["alice", ["-a", "--filter", "label=tier", "--filter", "label=x"], [2]],
    ["alice", ["-a", "--filter", "label=tie"], []],
    ["alice", ["--filter", "state=completed"], [1]],
    ["alice", ["--filter", "name=mine", "--filter", "name=other"], [2]],
    ["admin", ["-a", "--filter", "label=tier=web"], [1, 3]],
    ["admin", ["--filter", "user=bob"], [3]],
    ["alice", ["-a", "--filter", "user=bob"], []],
  ];
  for (const [user, args, expected] of filters) assert.equal(await ids(user, ...args), expected, args.join(" "));
  assert.equal((await json(server, "alice", "status", "mine")).labels, { tier: "db", x: "" });
  assert.match((await server.podium("alice", ["status", "1"])).stdout, /labels +tier=web, v=1=2\n/);
  for (const [args, message] of [
    [["ps", "--filter", "age=1"], /"age" is no filter; use label, name, state or user/],
    [["ps", "--filter", "state=DONE"], /"DONE" is no state; use one of RUNNING/],
    [["start", "--label", "a b=c", "--", "true"], /labels: "a b" is not a key; begin it with/],
    [["start", "--label", `a=${"x".repeat(256)}`, "--", "true"], /labels\[a\]: .* is not a value; use at most 255/],
  ] as const) {
    const refused = await server.podium("alice", args);
    assert.is(refused.code, 125);
    assert.match(refused.stderr, message);
  }
});

test(
  "an installation whose code cache does not fit gets one by its owner's first call, and nobody else's",
  root,
  async () => {
    await using server = await TestServer.start();
    await server.podium("alice", ["run", "true"]);
    using folder = temporaryFolder();
    const installed = (name: string) => join(folder.path, name);
    for (const name of ["podium.js", "package.json", "client.cjs"])
      cpSync(join(checkout, "dist", name), installed(name));
    const call = (...args: readonly string[]) =>
      startProgram("node", [installed("podium.js"), ...args], {
        env: { PODIUM_PROFILE: server.profile("alice") },
        input: "",
      }).ended;
    const cache = installed("client.cjs.cache");

    chownSync(installed("client.cjs"), 1, 1);
    assert.is((await call("status", "1")).code, 0);
    assert.not(existsSync(cache), "written for somebody else");
    chownSync(installed("client.cjs"), 0, 0);
    assert.is((await call("status", "2")).code, 125);
    assert.not(existsSync(cache), "written after a failure");
    const first = await call("status", "1", "-o", "json");
    assert.is(loadProgram(installed("client.cjs")).uncached, null);
    const { mtimeMs } = statSync(cache);
    assert.equal(await call("status", "1", "-o", "json"), first);
    assert.is(statSync(cache).mtimeMs, mtimeMs, "written again");
    assert.equal(readdirSync(folder.path).sort(), ["client.cjs", "client.cjs.cache", "package.json", "podium.js"]);
  },
);
