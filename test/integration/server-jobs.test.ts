import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import { Cause, FailureCode, State } from "../../src/gen/podium.ts";
import { requires, suite } from "../support/suite.ts";
import { failureOf } from "../support/tls-peers.ts";
import { groupsOf, processesOf } from "./job-traces.ts";
import { LiveServer, until } from "./live-server.ts";

const test = suite("jobs through the API");
const root = requires("root", "libseccomp");

test("L04 stop at once, twice and after the end succeeds; an unknown id is not found", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const id = await api.startId("sleep 1000");
  const [first, second] = await Promise.all([api.stop({ id }), api.stop({ id })]);
  assert.equal(first.response, { $case: "success", value: { id } });
  assert.equal(second, first);
  assert.equal(await api.stop({ id }), first);
  const { outcome, state } = await api.info(id);
  assert.is(state, State.FAILED);
  assert.is(outcome?.cause, Cause.STOPPED);
  assert.is(outcome?.signal, "SIGTERM");
  assert.is(outcome?.by, "alice");

  const done = await api.startId("exit 3");
  await api.wait(done);
  assert.is((await api.stop({ id: done })).response?.$case, "success");
  assert.is((await api.info(done)).outcome?.cause, Cause.EXITED);

  for (const unknown of [0n, -1n, 99n, 2n ** 63n - 1n]) {
    const expected = { id: unknown, msg: `there is no job ${unknown}`, code: FailureCode.NOT_FOUND };
    assert.equal((await api.stop({ id: unknown })).response, { $case: "failure", value: expected });
    assert.equal((await api.status(unknown)).response, { $case: "failure", value: expected });
    const answers = [];
    for await (const answer of api.log({ id: unknown })) answers.push(answer.response);
    assert.equal(answers, [{ $case: "failure", value: expected }]);
    assert.is((await failureOf(api.wait(unknown))).code, status.NOT_FOUND);
    assert.is((await failureOf(api.remove(unknown))).code, status.NOT_FOUND);
  }
});

test("L04 a stop that comes while the job is still starting ends it", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const last = Number(await api.startId("true"));
  for (let id = BigInt(last + 1); id < last + 9; id++) {
    const starting = api.start({ cmd: "sleep 1000" });
    let stopped = await api.stop({ id, graceMs: 0n });
    while (stopped.response?.$case === "failure") stopped = await api.stop({ id, graceMs: 0n });
    await starting;
    const { outcome } = await api.info(id);
    assert.is(outcome?.cause, Cause.STOPPED, outcome?.message);
  }
});

test("L05 another user's job answers like an unknown id", root, async () => {
  await using server = await LiveServer.start();
  const [alice, bob] = [server.api("alice"), server.api("bob")];
  const id = await alice.startId({ cmd: "echo secret; sleep 1000", name: "mine" });
  const unknown = id + 1000n;
  const asUnknown = (value: unknown) =>
    JSON.parse(
      JSON.stringify(value, (_, part) => (typeof part === "bigint" ? String(part) : part)).replaceAll(
        `${unknown}`,
        `${id}`,
      ),
    );
  const plain = (value: unknown) =>
    JSON.parse(JSON.stringify(value, (_, part) => (typeof part === "bigint" ? String(part) : part)));
  assert.equal(plain(await bob.status(id)), asUnknown(await bob.status(unknown)));
  assert.equal(plain(await bob.stop({ id })), asUnknown(await bob.stop({ id: unknown })));
  const logOf = async (job: bigint) => {
    const answers = [];
    for await (const answer of bob.log({ id: job })) answers.push(answer);
    return answers;
  };
  assert.equal(plain(await logOf(id)), asUnknown(await logOf(unknown)));
  for (const call of [(job: bigint) => bob.wait(job), (job: bigint) => bob.remove(job)]) {
    const [theirs, none] = [await failureOf(call(id)), await failureOf(call(unknown))];
    assert.is(theirs.code, status.NOT_FOUND);
    assert.is(theirs.details, none.details.replace(`${unknown}`, `${id}`));
  }
  assert.equal(await bob.list(true), []);
  assert.equal(await bob.list(true, "mine"), []);
  assert.is((await alice.info(id)).state, State.RUNNING);
  assert.is(await bob.startId({ cmd: "true", name: "mine" }), id + 1n, "names are each user's own");
});

test("a stopped job that ignores TERM and has a setsid grandchild leaves no process", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const id = await api.startId(
    "trap '' TERM; (setsid sh -c 'trap \"\" TERM; sleep 1000 & sleep 1000' &) ; echo up; sleep 1000; sleep 1000",
  );
  await until("the job is up", () => server.jobFile(id, "stdout").includes("up"));
  await until("its processes are there", () => processesOf(server, id).length >= 4);
  const start = performance.now();
  assert.is((await api.stop({ id, graceMs: 300n })).response?.$case, "success");
  assert.ok(performance.now() - start >= 290, "the grace period is kept");
  assert.equal(processesOf(server, id), []);
  assert.equal(groupsOf(server, id), []);
  assert.is((await api.info(id)).outcome?.signal, "SIGKILL");
});

test("L10 the timeout ends the job with cause TIMEOUT even if it exits 0 on TERM", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const timeoutMs = 2000n; // by then the shell has set its trap, also on a busy machine
  const polite = await api.startId({ cmd: "trap 'exit 0' TERM; while :; do sleep 0.05; done", timeoutMs });
  const stubborn = await api.startId({ cmd: "trap '' TERM; while :; do sleep 0.05; done", timeoutMs });
  const [first, second] = await Promise.all([api.wait(polite), api.wait(stubborn)]);
  assert.is(first.outcome?.cause, Cause.TIMEOUT);
  assert.is(first.outcome?.exitCode, 0);
  assert.is(first.state, State.FAILED);
  assert.is(first.outcome?.message, "ran longer than its timeout of 2s");
  assert.is(first.limits?.timeoutMs, timeoutMs);
  assert.is(second.outcome?.cause, Cause.TIMEOUT);
  assert.is(second.outcome?.signal, "SIGKILL");
  assert.is(server.jobFile(polite, "state"), "FAILED\n");
});

test("L11 an invalid signal is refused and the job runs on", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const id = await api.startId("trap 'echo one; exit 7' USR1; sleep 1000 & wait");
  await until("its trap, and the child after it", () => processesOf(server, id).length === 2);
  for (const signal of ["NOSUCH", "0", "65", "-9", "9 ", "1e1", "TERM\n", "SIG", "__proto__", "constructor"]) {
    const refusal = await failureOf(api.stop({ id, signal }));
    assert.is(refusal.code, status.INVALID_ARGUMENT, signal);
    assert.match(refusal.details, /^signal: .* is not a signal; use a name like TERM or a number from 1 to 64$/s);
  }
  for (const graceMs of [-1n, 2n ** 62n]) {
    const refusal = await failureOf(api.stop({ id, graceMs }));
    assert.is(refusal.code, status.INVALID_ARGUMENT);
    assert.match(refusal.details, /^grace_ms: /);
  }
  assert.is((await api.info(id)).state, State.RUNNING);
  await api.stop({ id, signal: "usr1" });
  assert.is((await api.info(id)).outcome?.exitCode, 7);
  assert.is(server.jobFile(id, "stdout"), "one\n");
  const hard = await api.startId("sleep 1000");
  await api.stop({ id: hard, signal: "9" });
  assert.is((await api.info(hard)).outcome?.signal, "SIGKILL");
});

test("L12 a running job cannot be removed; removing takes its folder and name and nothing else", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const other = await api.startId({ cmd: "echo other", name: "other" });
  const id = await api.startId({ cmd: "sleep 1000", name: "mine" });
  const refusal = await failureOf(api.remove(id));
  assert.is(refusal.code, status.FAILED_PRECONDITION);
  assert.is(refusal.details, `job ${id} is still running; stop it first`);
  const taken = (await api.start({ cmd: "true", name: "mine" })).response;
  assert.is(taken?.$case === "failure" && taken.value.code, FailureCode.NAME_TAKEN);
  assert.is(taken?.value.id, id);
  await api.stop({ id, graceMs: 0n });
  assert.is((await failureOf(server.api("viewer").remove(id))).code, status.PERMISSION_DENIED);
  await api.remove(id);
  assert.not(existsSync(join(server.data, "jobs", String(id))));
  assert.equal(groupsOf(server, id), []);
  assert.equal(readdirSync(join(server.data, "jobs")), [String(other)]);
  const staged = readdirSync(join(server.data, "stage")).filter((name) => !name.startsWith("ready-")); // those of no job yet
  assert.equal(staged, []);
  assert.is((await failureOf(api.remove(id))).code, status.NOT_FOUND);
  assert.is(await api.startId({ cmd: "true", name: "mine" }), id + 1n, "the name is free again, the id is not");
});

test("L13 100 starts at once get unique ids and their own output", root, async () => {
  await using server = await LiveServer.start();
  const [alice, bob] = [server.api("alice"), server.api("bob")];
  const jobs = await Promise.all(
    Array.from({ length: 100 }, async (_, n) => {
      const api = n % 2 === 0 ? alice : bob;
      return { api, n, id: await api.startId(`echo out ${n}; echo err ${n} >&2; exit ${n}`) };
    }),
  );
  assert.is(new Set(jobs.map(({ id }) => id)).size, 100);
  await Promise.all(
    jobs.map(async ({ api, n, id }) => {
      const { stdout, stderr } = await api.output({ id });
      assert.is(`${stdout}${stderr}`, `out ${n}\nerr ${n}\n`);
      const info = await api.info(id);
      assert.is(info.outcome?.exitCode, n);
      assert.is(info.user, n % 2 === 0 ? "alice" : "bob");
    }),
  );
});

test("S13 cat with stdin closed ends at once", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const { outcome } = await api.wait(await api.startId({ argv: ["cat"] }));
  assert.is(outcome?.exitCode, 0);
});

test("Start answers only after exec", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  for (let i = 0; i < 20; i++) {
    const id = await api.startId({ argv: ["/usr/bin/sleep", "1000"] });
    const pid = Number(server.jobFile(id, "pid"));
    assert.is(readlinkSync(`/proc/${pid}/exe`), "/usr/bin/sleep");
    assert.is((await api.info(id)).pid, BigInt(pid));
  }
  const failed = (await api.start({ argv: ["/nonexistent"] })).response;
  assert.ok(failed?.$case === "failure");
  assert.is(failed.value.code, FailureCode.START_FAILED);
  const { outcome, state, command } = await api.info(failed.value.id);
  assert.is(state, State.FAILED);
  assert.is(outcome?.cause, Cause.START_FAILED);
  assert.is(outcome?.errno, "ENOENT");
  assert.equal(command, ["/nonexistent"]);
  assert.is(server.jobFile(failed.value.id, "state"), "FAILED\n");
});

test("the state file and Status agree at every moment", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const names = { [State.RUNNING]: "RUNNING", [State.COMPLETED]: "COMPLETED", [State.FAILED]: "FAILED" };
  const nameOf = async (id: bigint) => names[(await api.info(id)).state as keyof typeof names];
  for (let i = 0; i < 40; i++) {
    const id = await api.startId(`sleep 0.0${i % 10}; exit ${i % 2}`);
    for (let seen = "RUNNING"; seen === "RUNNING"; ) {
      const before = server.jobFile(id, "state").trim();
      seen = (await nameOf(id)) ?? "";
      const after = server.jobFile(id, "state").trim();
      assert.ok(seen === before || seen === after, `Status says ${seen}, the file ${before} and then ${after}`);
      if (before !== "RUNNING") assert.is(seen, before, "what has ended does not run");
    }
    assert.is(await nameOf(id), i % 2 === 0 ? "COMPLETED" : "FAILED");
  }
});

test("a shell line is told as the command that runs it", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const { command } = await api.wait(await api.startId("exit 0"));
  assert.equal(command, ["/bin/sh", "-c", "exit 0"]);
});

test("1,000 short jobs leave descriptors and memory of server and zygote flat", root, async () => {
  await using server = await LiveServer.start({ config: { logLevel: "silent" } });
  const api = server.api();
  const some = async (count: number) => {
    const left = Array.from({ length: count }, (_, n) => n);
    const worker = async () => {
      while (left.pop() !== undefined) {
        const id = await api.startId({ argv: ["/usr/bin/true"] });
        await api.wait(id);
        await api.remove(id);
      }
    };
    await Promise.all(Array.from({ length: 12 }, worker));
  };
  await some(400);
  await settled(server.zygotePid);
  const before = figuresOf(server);
  await some(1000);
  await settled(server.zygotePid);
  await until("the server has let go of the last", () => files(server.pid) <= before.serverFiles + 2);
  const after = figuresOf(server);
  console.log(`before 1,000 jobs ${JSON.stringify(before)}, after ${JSON.stringify(after)}`);
  assert.ok(after.zygoteFiles <= before.zygoteFiles + 2, "the zygote's descriptors");
  assert.ok(after.serverMiB <= before.serverMiB + 40, "the server's memory");
  assert.ok(after.zygoteMiB <= before.zygoteMiB + 15, "the zygote's memory");
});

const files = (pid: number) => readdirSync(`/proc/${pid}/fd`).length;

/** The zygote has as many jobs ready as it wants. */
async function settled(zygote: number): Promise<void> {
  let [seen, since] = [files(zygote), performance.now()];
  await until("the zygote is at rest", async () => {
    const now = files(zygote);
    if (now !== seen) [seen, since] = [now, performance.now()];
    return performance.now() - since > 1000;
  });
}

function figuresOf(server: LiveServer) {
  const { pid, zygotePid } = server;
  const mib = (of: number) =>
    Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${of}/status`, "utf8"))?.[1]) / 1024);
  return { serverFiles: files(pid), zygoteFiles: files(zygotePid), serverMiB: mib(pid), zygoteMiB: mib(zygotePid) };
}
