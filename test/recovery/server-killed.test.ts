// A server that is killed, and a host that is restarted under it: no job is lost, none is made up, nothing is left.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { Cause, State } from "../../src/gen/podium.ts";
import { groupsOf, processesOf } from "../integration/job-traces.ts";
import { isAlive, LiveServer, until } from "../integration/live-server.ts";
import { Canary } from "../support/processes.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("a killed server");
const root = requires("root", "libseccomp");

test("L17 a job outlives a killed server: output, exit code, timeout, stop", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const ends = await api.startId("echo before; sleep 4; echo after; exit 42");
  const late = await api.startId({ cmd: "echo on; sleep 1000", timeoutMs: 4000n });
  const stays = await api.startId("setsid sleep 1000 & sleep 1000");
  await until("output", () => server.jobFile(ends, "stdout") === "before\n");
  await server.kill();
  await until("an end without a server", () => server.jobFile(ends, "state") === "FAILED\n");
  await until("a timeout without a server", () => server.jobFile(late, "state") === "FAILED\n");
  await server.restart();
  const again = server.api();
  assert.is((await again.info(ends)).outcome?.exitCode, 42);
  assert.is(String((await again.output({ id: ends })).stdout), "before\nafter\n");
  assert.is((await again.info(late)).outcome?.cause, Cause.TIMEOUT);
  assert.is((await again.info(stays)).state, State.RUNNING);
  const members = processesOf(server, stays);
  assert.ok(members.length >= 2);
  await again.stop({ id: stays, graceMs: 0n });
  assert.equal(members.filter(isAlive), []);
  assert.equal(
    [ends, late, stays].flatMap((id) => groupsOf(server, id)),
    [],
  );
});

test(
  "L18 a server killed in the middle of starts leaves whole jobs or none, and no group or mount of a job that is over",
  root,
  async () => {
    await using server = await LiveServer.start();
    const mounts = () => readFileSync("/proc/self/mountinfo", "utf8").split("\n").length;
    const mountsBefore = mounts();
    for (let round = 0; round < 5; round++) {
      const api = server.api();
      const starts = Array.from({ length: 10 }, () => api.startId("exec sleep 1000").catch(() => null));
      await sleep(round * 12);
      await server.kill();
      const known = (await Promise.all(starts)).filter((id) => id !== null);
      await server.restart();
      const again = server.api();
      const jobs = await again.list(true);
      for (const id of known)
        assert.ok(
          jobs.some((job) => job.id === id),
          `job ${id} was told of and is gone`,
        );
      assert.equal(
        readdirSync(join(server.data, "jobs"))
          .map(Number)
          .sort((a, b) => a - b),
        jobs.map(({ id }) => Number(id)),
      );
      for (const { id, state, pid, outcome } of jobs) {
        assert.is(server.jobFile(id, "state"), `${state}\n`);
        if (state === State.RUNNING) assert.ok(isAlive(Number(pid)), `job ${id} runs`);
        else assert.ok(outcome?.cause === Cause.LOST || outcome?.cause === Cause.START_FAILED, outcome?.cause);
        if (state !== State.RUNNING) assert.equal(groupsOf(server, id), []);
      }
      await Promise.all(jobs.map(({ id }) => again.stop({ id, graceMs: 0n })));
      for (const { id } of jobs) {
        assert.equal(groupsOf(server, id), []);
        await again.remove(id);
      }
      assert.is(mounts(), mountsBefore);
    }
  },
);

test("half-made and half-removed folders are swept at the start; what is not podium's stays", root, async () => {
  await using server = await LiveServer.start();
  const id = await server.api().startId("echo kept");
  await server.api().wait(id);
  await server.stop();
  const jobs = join(server.data, "jobs");
  const make = (name: string, files: Readonly<Record<string, string>>) => {
    mkdirSync(join(jobs, name), { mode: 0o700 });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(jobs, name, file), text);
  };
  make("900", { state: "RUNNING\n", stdout: "" });
  make("901", { "job.json": '{"id":', stdout: "" });
  make("902", {});
  make("notes", { "read.me": "mine" });
  await server.restart();
  assert.equal(readdirSync(jobs).sort(), [String(id), "notes"]);
  assert.ok((await server.api().startId("true")) > 902n, "their ids are not used again");
  rmSync(join(jobs, "notes"), { recursive: true });
});

test(
  "after a restart of the host what ran is LOST, at once, and nobody who has its pid now is touched",
  root,
  async () => {
    using canary = new Canary();
    await using server = await LiveServer.start();
    const api = server.api();
    const [lost, done] = [await api.startId("sleep 1000"), await api.startId("exit 3")];
    await api.wait(done);
    await server.kill();
    // As the host's restart leaves it: no process, a stale socket, another boot id; and its pid is somebody else's by now.
    process.kill(initOf(Number(server.jobFile(lost, "pid"))), "SIGKILL");
    for (const id of [lost, done]) {
      const file = join(server.data, "jobs", String(id), "job.json");
      const meta = JSON.parse(readFileSync(file, "utf8"));
      assert.match(meta.boot, /^[0-9a-f-]{36}$/);
      writeFileSync(file, `${JSON.stringify({ ...meta, boot: "5c4a3b2a-0000-4000-8000-000000000000" })}\n`);
    }
    const folder = join(server.data, "jobs", String(lost));
    writeFileSync(join(folder, "pid"), `${canary.pid}\n`);
    assert.ok(existsSync(join(folder, "control")));
    await server.restart();
    const again = server.api();
    const { outcome, state } = await again.info(lost);
    assert.equal([state, outcome?.cause], [State.FAILED, Cause.LOST]);
    assert.is(outcome?.message, "the host was restarted while it ran");
    assert.is(server.jobFile(lost, "state"), "FAILED\n");
    assert.is((await again.info(done)).outcome?.exitCode, 3);
    await again.stop({ id: lost, signal: "KILL", graceMs: 0n });
    await again.remove(lost);
    assert.ok(canary.lives);
  },
);

test(
  "a job whose supervisor died without a server is LOST, and a stranger with its pid is not touched",
  root,
  async () => {
    using canary = new Canary();
    await using server = await LiveServer.start();
    const id = await server.api().startId("sleep 1000");
    await server.kill();
    process.kill(initOf(Number(server.jobFile(id, "pid"))), "SIGKILL");
    writeFileSync(join(server.data, "jobs", String(id), "pid"), `${canary.pid}\n`);
    await server.restart();
    const api = server.api();
    assert.is((await api.info(id)).outcome?.cause, Cause.LOST);
    await api.stop({ id, graceMs: 0n });
    assert.equal(groupsOf(server, id), []);
    assert.ok(canary.lives);
  },
);

function initOf(command: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${command}/status`, "utf8"))?.[1]);
}
