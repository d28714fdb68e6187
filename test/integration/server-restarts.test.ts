// What ends under a job: the server, the zygote, its own init. Only the last one is the end of the job.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import { Cause, type LogResponse, State } from "../../src/gen/podium.ts";
import { requires, suite } from "../support/suite.ts";
import { failureOf } from "../support/tls-peers.ts";
import { collect } from "./api-client.ts";
import { groupsOf, processesOf } from "./job-traces.ts";
import { isAlive, LiveServer, until } from "./live-server.ts";

const test = suite("ends of server, zygote and init");
const root = requires("root", "libseccomp");

/** Ticks until the file `end` is in its folder on the host, then exits with 42. */
const ticking =
  "i=0; while [ $i -lt 5000 ] && [ ! -e /signal/end ]; do i=$((i+1)); echo tick $i; sleep 0.02; done; exit 42";

interface Ticking {
  readonly id: bigint;
  readonly end: () => void;
}

async function startTicking(server: LiveServer): Promise<Ticking> {
  const source = `${server.certs}-signals`;
  mkdirSync(source, { recursive: true });
  const id = await server.api().startId({ cmd: ticking, grants: [{ source, target: "/signal", writable: false }] });
  return { id, end: () => writeFileSync(join(source, "end"), "") };
}

function startServer(): Promise<LiveServer> {
  return LiveServer.start({ config: { folders: [{ path: tmpdir(), users: ["*"] }] } });
}

/** The output of a ticking job, each tick once. */
function checkTicks(text: string): void {
  const lines = text.split("\n").slice(0, -1);
  assert.ok(lines.length > 0);
  assert.equal(
    lines,
    lines.map((_, n) => `tick ${n + 1}`),
  );
}

for (const end of ["SIGTERM", "SIGKILL"] as const) {
  test(`a server ended by ${end} leaves its job running, and the next one finds it`, root, async () => {
    await using server = await startServer();
    const api = server.api();
    const done = await api.startId({ cmd: "exit 5", name: "done" });
    const doneInfo = await api.wait(done);
    const { id, end: tellEnd } = await startTicking(server);
    const before = await api.info(id);
    const following = api.log({ id });
    const failed = failureOf(collect(following));
    const waiting = failureOf(api.wait(id));
    await until("output", () => server.jobFile(id, "stdout").includes("tick 3"));
    await (end === "SIGTERM" ? server.stop() : server.kill());
    assert.is((await failed).code, status.UNAVAILABLE);
    assert.is((await waiting).code, status.UNAVAILABLE);
    const size = server.jobFile(id, "stdout").length;
    await until("the job writes on", () => server.jobFile(id, "stdout").length > size + 20);

    await server.restart();
    const again = server.api();
    const found = await again.info(id);
    assert.is(found.state, State.RUNNING);
    assert.is(found.pid, before.pid);
    assert.ok(Math.abs(Number(found.startedAt) - Number(before.startedAt)) < 100, "it knows when the job was started");
    assert.ok((found.usage?.pids ?? 0n) > 0n, "and its groups");
    assert.equal(await again.info(done), doneInfo);
    const output = again.output({ id });
    assert.ok((await again.startId("true")) > id, "ids go on upward");
    tellEnd();
    checkTicks(String((await output).stdout));
    const { outcome } = await again.wait(id);
    assert.is(outcome?.cause, Cause.EXITED);
    assert.is(outcome?.exitCode, 42);
    assert.equal(groupsOf(server, id), []);
  });
}

async function* pieceOf(stream: AsyncIterable<LogResponse>): AsyncGenerator<Buffer> {
  for await (const { response } of stream) {
    if (response?.$case === "success") yield response.value.stdout;
  }
}

test("S06 a reader resumes at its offset after the server was restarted", root, async () => {
  await using server = await startServer();
  const { id, end } = await startTicking(server);
  const pieces: Buffer[] = [];
  for (const act of [() => void server.kill(), () => void server.kill(), end]) {
    const from = pieces.reduce((sum, piece) => sum + piece.length, 0);
    try {
      for await (const piece of pieceOf(server.api().log({ id, stdoutOffset: BigInt(from) }))) {
        pieces.push(piece);
        if (piece.includes("0\n")) act();
      }
    } catch (error) {
      assert.is((error as { code?: number }).code, status.UNAVAILABLE);
      await server.restart();
    }
  }
  checkTicks(String(Buffer.concat(pieces)));
  assert.is(server.jobFile(id, "stdout"), String(Buffer.concat(pieces)));
});

test(
  "an adopted job can be stopped with all its processes, and a server with one ends at once on SIGTERM",
  root,
  async () => {
    await using server = await startServer();
    const id = await server.api().startId("trap '' TERM; setsid sleep 1000 & sleep 1000; sleep 1000");
    await server.kill();
    await server.restart();
    const start = performance.now();
    await server.stop();
    assert.ok(performance.now() - start < 25_000);
    await server.restart();
    const api = server.api();
    await api.stop({ id, graceMs: 100n });
    const { outcome } = await api.info(id);
    assert.is(outcome?.cause, Cause.STOPPED);
    assert.is(outcome?.by, "alice");
    assert.equal(groupsOf(server, id), []);
  },
);

test("a server that ends while a Stop waits ends at once too", root, async () => {
  await using server = await startServer();
  const api = server.api();
  const id = await api.startId("trap 'echo asked' TERM; echo ready; while :; do sleep 0.1; done");
  await until("its trap", () => server.jobFile(id, "stdout") === "ready\n");
  const stopping = failureOf(api.stop({ id, graceMs: 120_000n }));
  await until("the job was asked", () => server.jobFile(id, "stdout") === "ready\nasked\n");
  await server.stop();
  assert.is((await stopping).code, status.UNAVAILABLE);
  await server.restart();
});

test("a killed zygote is replaced; its jobs go on and their end is noticed", root, async () => {
  await using server = await startServer();
  const api = server.api();
  const { id, end } = await startTicking(server);
  const short = await api.startId("sleep 0.5; exit 9");
  const old = server.zygotePid;
  assert.match(readFileSync(`/proc/${old}/cmdline`, "latin1"), /zygote/);
  process.kill(old, "SIGKILL");
  await until("another zygote", () => server.zygotePid !== old && isAlive(server.zygotePid));
  assert.is((await api.info(id)).state, State.RUNNING);
  assert.is((await api.wait(short)).outcome?.exitCode, 9);
  assert.is((await api.wait(await api.startId("exit 8"))).outcome?.exitCode, 8);
  const output = api.output({ id });
  end();
  checkTicks(String((await output).stdout));
  assert.is((await api.wait(id)).outcome?.exitCode, 42);
  assert.equal(groupsOf(server, id), []);
});

test("starts under a killed zygote answer with what happened, and leave nothing", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  for (let round = 0; round < 3; round++) {
    await until("there is a zygote again", () => isAlive(server.zygotePid));
    const starting = Array.from({ length: 12 }, () => api.start({ cmd: "exec sleep 1000" }));
    await sleep(2 + round * 20);
    process.kill(server.zygotePid, "SIGKILL");
    const jobs = await api.list(true);
    for (const { response } of await Promise.all(starting)) {
      assert.ok(response !== undefined);
      const { id } = response.value;
      const info = await api.info(id);
      if (response.$case === "success") {
        assert.is(info.state, State.RUNNING);
        assert.ok(isAlive(Number(info.pid)));
      } else {
        assert.is(info.outcome?.cause, Cause.START_FAILED, info.outcome?.message);
        assert.equal(groupsOf(server, id), []);
      }
    }
    assert.ok(jobs.length <= 12);
    const running = await api.list();
    await Promise.all(running.map(({ id }) => api.stop({ id, graceMs: 0n })));
    assert.equal(
      running.flatMap(({ id }) => groupsOf(server, id)),
      [],
    );
    for (const { id } of await api.list(true)) await api.remove(id);
  }
});

/** init is the parent of the command. */
function initOf(commandPid: bigint): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${commandPid}/status`, "utf8"))?.[1]);
}

for (const zygote of ["its zygote lives", "its zygote is dead"] as const) {
  test(`a job whose init is killed is LOST, and nothing of it is left; ${zygote}`, root, async () => {
    await using server = await LiveServer.start();
    const api = server.api();
    const id = await api.startId("echo before; setsid sleep 1000 & sleep 1000");
    await until("its output", () => server.jobFile(id, "stdout") === "before\n");
    const { pid } = await api.info(id);
    const init = initOf(pid);
    if (zygote === "its zygote is dead") {
      const old = server.zygotePid;
      process.kill(old, "SIGKILL");
      await until("another zygote", () => server.zygotePid !== old);
      await sleep(100);
    }
    await until("its processes", () => processesOf(server, id).length >= 2);
    const members = processesOf(server, id);
    const output = api.output({ id });
    process.kill(init, "SIGKILL");
    const { outcome, state } = await api.wait(id);
    assert.is(outcome?.cause, Cause.LOST);
    assert.is(state, State.FAILED);
    assert.equal(members.filter(isAlive), []);
    assert.equal(groupsOf(server, id), []);
    assert.is(server.jobFile(id, "state"), "FAILED\n");
    assert.is(String((await output).stdout), "before\n");
    assert.is((await api.stop({ id })).response?.$case, "success");
  });
}

test("a job that ends while no server runs keeps its outcome; one whose init dies then is LOST", root, async () => {
  await using server = await startServer();
  const api = server.api();
  const { id, end } = await startTicking(server);
  const lost = await api.startId("setsid sleep 1000 & sleep 1000");
  const init = initOf((await api.info(lost)).pid);
  const members = processesOf(server, lost);
  await server.kill();
  end();
  process.kill(init, "SIGKILL");
  await until("the record", () => server.jobFile(id, "state") === "FAILED\n");
  await server.restart();
  const again = server.api();
  assert.is((await again.wait(id)).outcome?.exitCode, 42);
  assert.is((await again.wait(lost)).outcome?.cause, Cause.LOST);
  assert.equal(members.filter(isAlive), []);
  assert.equal(groupsOf(server, lost), []);
});

test("two servers with different DATA run side by side and sweep only their own", root, async () => {
  await using first = await startServer();
  await using second = await startServer();
  const [one, two] = [await startTicking(first), await startTicking(second)];
  assert.is(one.id, two.id);
  const ids = [await first.api().serverInfo(), await second.api().serverInfo()].map(({ dataId }) => dataId);
  assert.is.not(ids[0], ids[1]);
  await first.kill();
  await first.restart();
  assert.is((await second.api().info(two.id)).state, State.RUNNING);
  assert.is((await first.api().info(one.id)).state, State.RUNNING);
  assert.ok(groupsOf(first, one.id).every((folder) => !groupsOf(second, two.id).includes(folder)));
  one.end();
  await first.api().wait(one.id);
  assert.is((await second.api().info(two.id)).state, State.RUNNING);
  assert.ok(existsSync(join(second.data, "jobs", String(two.id))));
});
