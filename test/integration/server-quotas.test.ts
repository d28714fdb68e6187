// Quotas, the queue and retention of a real server.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import { Cause, FailureCode, State } from "../../src/gen/podium.ts";
import type { Running } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { failureOf } from "../support/tls-peers.ts";
import type { Api } from "./api-client.ts";
import { groupsOf } from "./job-traces.ts";
import { LiveServer, until } from "./live-server.ts";

const test = suite("quotas, queue and retention");
const root = requires("root", "libseccomp");
const long = { cmd: "sleep 1000" };

/** The queued jobs that a user sees, when there are so many. */
async function queued(api: Api, count: number): Promise<bigint[]> {
  let ids: bigint[] = [];
  await until(`${count} queued jobs`, async () => {
    ids = (await api.list()).filter(({ state }) => state === State.QUEUED).map(({ id }) => id);
    return ids.length === count;
  });
  return ids;
}

test("each quota refuses with its figures what exceeds it, and what ended gives its share back", root, async () => {
  const perUser = { jobs: 2, cpus: 1.5, memory: "256M" };
  const users = { bob: { jobs: 0, startsPerMinute: 3 }, admin: { jobs: 0, cpus: 0, memory: 0, startsPerMinute: 4 } };
  await using server = await LiveServer.start({ config: { quotas: { perUser, users }, maximum: { memory: "64M" } } });
  const [alice, bob] = [server.api("alice"), server.api("bob")];
  const refusal = async (api: Api, request: object) => {
    const { code, details } = await failureOf(api.start({ ...long, cpu: 0.5, ...request }));
    return [code, details];
  };
  const first = await alice.startId({ ...long, cpu: 1 });
  assert.equal(await refusal(alice, { cpu: 1 }), [
    status.RESOURCE_EXHAUSTED,
    "alice has 1 of 1.5 cores, and this job asks for 1; stop a job, or try again when one has ended",
  ]);
  assert.equal(await refusal(alice, { cpu: 2 }), [
    status.INVALID_ARGUMENT,
    "cpu: 2 exceeds alice's quota of 1.5 cores; ask for at most 1.5",
  ]);
  assert.match(String(await refusal(alice, { cpu: 0 })), /cpu: without a limit it would exceed alice's quota/);
  await alice.startId({ ...long, cpu: 0.5 });
  assert.match(String(await refusal(alice, {})), /^8,alice has 2 of 2 jobs at once/);
  const { quota, use } = await alice.serverInfo();
  assert.equal([quota?.jobs, quota?.memoryBytes, use?.jobs, use?.cpus], [2n, 256n * 1024n * 1024n, 2n, 1.5]);
  assert.is(use?.memoryBytes, 128n * 1024n * 1024n, "the bound of the server is the limit of a job that asks for none");
  await alice.stop({ id: first, graceMs: 0n });
  await alice.startId({ ...long, cpu: 1 });
  for (let i = 0; i < 3; i++) await bob.startId({ cmd: "true", cpu: 0.5, requestId: `bob-${i}` });
  assert.match(
    String(await refusal(bob, {})),
    /^8,bob has started 3 jobs within a minute, and 3 are allowed; try again in \d+ s$/,
  );
  assert.ok((await bob.startId({ cmd: "true", cpu: 0.5, requestId: "bob-1" })) > 0n, "a repetition is no start");
  const admin = server.api("admin");
  await failureOf(admin.start({ cmd: "true", name: "7" }));
  const burst = Array.from({ length: 12 }, () => admin.startId("true").catch((error: Error) => error));
  const admitted = (await Promise.all(burst)).filter((answer) => typeof answer === "bigint");
  assert.is(admitted.length, 4, "also when all come at once");
  await server.stop();
  await server.restart();
  assert.match(String(await refusal(server.api("bob"), {})), /within a minute/);
  assert.match(String(await refusal(server.api("alice"), {})), /^8,alice has 2 of 2 jobs at once/, "found again");
});

test("the disk of job folders is a quota, and removing jobs makes room", root, async () => {
  await using server = await LiveServer.start({ config: { quotas: { perUser: { disk: "1M" } } } });
  const api = server.api();
  const big = await api.startId("head -c 2000000 /dev/zero");
  await api.wait(big);
  const { code, details } = await failureOf(api.start({ cmd: "true" }));
  assert.is(code, status.RESOURCE_EXHAUSTED);
  assert.match(details, /^alice has \d{7} of 1048576 bytes in job folders; remove finished jobs/);
  await server.api("bob").wait(await server.api("bob").startId("true"));
  await api.remove(big);
  await api.wait(await api.startId("true"));
});

test("jobs wait in a fair queue, are seen there, and can be stopped in it", root, async () => {
  await using server = await LiveServer.start({ config: { quotas: { total: { jobs: 1 } }, queue: { size: 4 } } });
  const [alice, bob] = [server.api("alice"), server.api("bob")];
  const first = await alice.startId(long);
  const begin = (api: Api, name: string) => api.start({ cmd: "sleep 0.1", name }).then(({ response }) => response);
  const waiting = [begin(alice, "a1")];
  await queued(alice, 1);
  waiting.push(begin(alice, "a2"));
  await queued(alice, 2);
  const bobs = begin(bob, "b1");
  await queued(bob, 1);
  const doomed = begin(bob, "b2");
  const [, second = 0n] = await queued(bob, 2);
  const full = await failureOf(alice.start({ cmd: "true" }));
  assert.equal([full.code, /the queue is full with 4 jobs$/.test(full.details)], [status.RESOURCE_EXHAUSTED, true]);
  assert.match((await failureOf(alice.start({ cmd: "true", noWait: true }))).details, /does not want to wait$/);

  const info = await bob.info(second);
  assert.equal([info.state, info.pid, info.startedAt, info.outcome], [State.QUEUED, 0n, undefined, undefined]);
  assert.is(server.jobFile(second, "state"), "RUNNING\n");
  assert.equal((await bob.status(second)).response?.$case, "success");
  assert.equal((await bob.serverInfo()).use?.queuedJobs, 2n);
  assert.is((await alice.status(second)).response?.$case, "failure", "others do not see it");
  const ended = bob.wait(second);
  assert.is((await bob.stop({ id: second })).response?.$case, "success");
  const failure = await doomed;
  assert.ok(failure?.$case === "failure");
  assert.equal([failure.value.code, failure.value.id], [FailureCode.STOPPED_IN_QUEUE, second]);
  const { outcome, state } = await ended;
  assert.equal([state, outcome?.cause, outcome?.by, outcome?.signal], [State.FAILED, Cause.STOPPED, "bob", ""]);
  assert.is(server.jobFile(second, "state"), "FAILED\n");

  await alice.stop({ id: first, graceMs: 0n });
  const began: { name: string; at: number }[] = [];
  for (const response of await Promise.all([...waiting, bobs])) {
    assert.ok(response?.$case === "success");
    const { name, startedAt } = await server.api("admin").info(response.value.id);
    began.push({ name, at: Number(startedAt) });
  }
  assert.equal(
    began.sort((a, b) => a.at - b.at).map(({ name }) => name),
    ["a1", "b1", "a2"],
  );
});

test("the queue survives restarts; nothing in it starts twice, and repeated starts find their jobs", root, async () => {
  const config = { quotas: { total: { jobs: 1 } }, queue: { size: 10 } };
  await using server = await LiveServer.start({ config });
  const first = await server.api().startId(long);
  const request = { cmd: "echo started; sleep 1000", requestId: "waits" };
  const lost = failureOf(server.api().start(request));
  const [second = 0n] = await queued(server.api("admin"), 1);
  const other = failureOf(server.api("bob").start({ cmd: "echo mine" }));
  const [, third = 0n] = await queued(server.api("admin"), 2);
  for (const end of ["stop", "kill"] as const) {
    await server[end]();
    await server.restart();
    assert.equal(await queued(server.api("admin"), 2), [second, third], end);
  }
  assert.equal([(await lost).code, (await other).code], [status.UNAVAILABLE, status.UNAVAILABLE]);
  const api = server.api();
  const again = api.startId(request);
  await sleep(100);
  assert.is((await api.info(second)).state, State.QUEUED);
  await api.stop({ id: first, graceMs: 0n });
  assert.is(await again, second);
  await until("its output", () => server.jobFile(second, "stdout") !== "");
  assert.not(existsSync(join(server.data, "jobs", String(second), "queued.json")));
  await server.kill();
  await server.restart();
  assert.is(server.jobFile(second, "stdout"), "started\n");
  assert.is((await server.api().info(second)).state, State.RUNNING);
  await server.api().stop({ id: second, graceMs: 0n });
  assert.is((await server.api("bob").wait(third)).state, State.COMPLETED);
  assert.is(server.jobFile(third, "stdout"), "mine\n");
  assert.equal(groupsOf(server, third), []);
});

/** Waits until its stderr holds the text. */
async function tells({ child }: Running, text: string): Promise<void> {
  let told = "";
  child.stderr?.on("data", (chunk) => {
    told += chunk;
  });
  await until(text, () => told.includes(text));
}

test("podium run waits in the queue and says so; Ctrl-C takes it out; --no-wait does not wait", root, async () => {
  await using server = await TestServer.start({ config: { quotas: { perUser: { jobs: 1 } }, queue: { size: 2 } } });
  const { stdout: first } = await server.podium("alice", ["start", "--", "sleep", "1000"]);
  const run = server.cli("alice", ["run", "--", "echo", "my turn"], { input: "" });
  await tells(run, "podium: job 2: it waits for its turn");
  assert.match((await server.podium("alice", ["ps"])).stdout, /\n2 +alice +QUEUED +/);
  const impatient = await server.podium("alice", ["run", "--no-wait", "true"]);
  assert.equal([impatient.code, impatient.stdout], [125, ""]);
  assert.match(impatient.stderr, /^podium: alice has 1 of 1 jobs at once, and the request does not want to wait\n$/);
  const doomed = server.cli("alice", ["run", "--", "echo", "never"], { input: "" });
  await tells(doomed, "podium: job 3: it waits");
  doomed.child.kill("SIGINT");
  const { code, stderr } = await doomed.ended;
  assert.is(code, 137);
  assert.match(stderr, /\npodium: job 3: STOPPED: stopped by alice while it waited for its start\n$/);
  const info = await server.podium("alice", ["info"]);
  assert.match(info.stdout, /^your jobs +1 of 1\n/m);
  assert.match(info.stdout, /^queue +1 yours, 1 of 2 in all\n/m);
  await server.podium("alice", ["stop", "--grace", "0s", first.trim()]);
  const { code: end, stdout } = await run.ended;
  assert.equal([end, stdout.toString()], [0, "my turn\n"]);
});

test("retention removes the oldest finished jobs, and none that runs or waits", root, async () => {
  const retention = { perUser: { count: 2 }, users: { bob: { count: 0, bytes: "2.5M" } }, atLeast: "0s" };
  const config = { retention, quotas: { perUser: { jobs: 1 } }, queue: { size: 5 } };
  await using server = await LiveServer.start({ config });
  const [alice, bob] = [server.api("alice"), server.api("bob")];
  await sleep(1_500); // past the cleaning at the start
  for (let i = 0; i < 4; i++) await alice.wait(await alice.startId("true"));
  for (let i = 0; i < 3; i++) await bob.wait(await bob.startId("head -c 1000000 /dev/zero"));
  const running = await alice.startId(long);
  void alice.start({ cmd: "true" }).catch(() => {});
  const [waits = 0n] = await queued(alice, 1);
  const left = () =>
    readdirSync(join(server.data, "jobs"))
      .map(Number)
      .sort((a, b) => a - b);
  await until("the old ones are gone", () => left().length === 6);
  assert.equal(left(), [3, 4, 6, 7, Number(running), Number(waits)]);
  assert.is((await alice.status(1n)).response?.$case, "failure");
  assert.ok(server.log.some(({ msg, job }) => msg === "removed by retention" && job === 1));
  const last = readFileSync(join(server.data, "last-id"), "utf8");
  assert.ok(Number(last) >= Number(waits));
});

test("without a configuration there is no quota and no queue, and Info says so", root, async () => {
  await using server = await LiveServer.start({ config: { logLevel: "silent" } });
  const { quota, serverQuota, queue, defaultLimits } = await server.api().serverInfo();
  assert.is(defaultLimits?.pids, 512n, "what a job gets that asks for nothing");
  const none = { jobs: 0n, startsPerMinute: 0n, cpus: 0, memoryBytes: 0n, diskBytes: 0n };
  assert.equal([quota, serverQuota, queue?.size], [none, none, 0n]);
});
