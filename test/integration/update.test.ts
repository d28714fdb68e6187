// Limits of a running job, changed through server and kernel: the new ones hold, a refused one leaves all as it was.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { jobStatus, updateJob, waitForJob } from "../../src/client/jobs.ts";
import { startJob } from "../../src/client/start.ts";
import { StartRequest, UpdateRequest } from "../../src/gen/podium.ts";
import { groupFile } from "../support/groups.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("podium update");
const needs = requires("root", "libseccomp");
const onRealMachines = requires("root", "libseccomp", "swift");
const mebibyte = 1 << 20;
const size = (mebibytes: number) => BigInt(mebibytes * mebibyte);

async function refused(call: Promise<unknown>, why: RegExp): Promise<void> {
  const error = await call.then(
    () => null,
    (reason: Error) => reason,
  );
  assert.match(error?.message ?? "it was not refused", why);
}

test("C09 limits of a running job change, in the kernel and in the status, or stay as they were", needs, async () => {
  const config = { maximum: { memory: "256M", pids: 100 }, quotas: { perUser: { cpus: 2 } } };
  await using server = await TestServer.start({ config });
  using podium = server.connect("alice");
  const id = await startJob(podium, StartRequest.create({ argv: ["sleep", "100"], mem: size(64), cpu: 0.5, pids: 9n }));
  const pid = Number((await jobStatus(podium, id)).pid);
  const inGroup = () => ({
    cpu: groupFile(pid, "cpu", "cpu.max", "cpu.cfs_quota_us").split(" ")[0],
    memory: groupFile(pid, "memory", "memory.max", "memory.limit_in_bytes"),
    pids: groupFile(pid, "pids", "pids.max"),
  });
  const before = { cpu: "50000", memory: String(64 * mebibyte), pids: "9" };
  assert.equal(inGroup(), before);

  const changed = await server.podium("alice", ["update", String(id), "--cpus", "0.25", "-m", "128M", "--pids", "20"]);
  assert.equal([changed.code, changed.stdout, changed.stderr], [0, "", ""]);
  const after = { cpu: "25000", memory: String(128 * mebibyte), pids: "20" };
  assert.equal(inGroup(), after);
  const shown = async () => (await jobStatus(podium, id)).limits;
  const expected = [0.25, size(128), 20n];
  assert.equal([(await shown())?.cpus, (await shown())?.memoryBytes, (await shown())?.pids], expected);

  const refusals: readonly (readonly [Partial<UpdateRequest>, RegExp])[] = [
    [{ memoryBytes: size(257) }, /^mem: .* is above this server's bound/],
    [{ pids: 101n, cpus: 1 }, /^pids: .* is above this server's bound/],
    [{ cpus: 0.001, pids: 5n }, /^cpu: 0.001 is too low/],
    [{ cpus: 2.5 }, /^cpu: 2.5 exceeds alice's quota of 2 cores/],
    [{ memoryBytes: 1000n }, /^mem: 1000 is too low/],
    [{ cpus: Number.NaN }, /NaN/],
    [{ cpusetCpus: "900" }, /^cpuset_cpus: there is no processor 900 here/],
    [{ cgroup: [{ file: "cpu.idle", value: "1" }] }, /cgroupFiles/],
    [{}, /no limit to change/],
  ];
  for (const [change, why] of refusals) {
    await refused(updateJob(podium, UpdateRequest.create({ ...change, id })), why);
    assert.equal(inGroup(), after, String(why));
  }
});

test("C09 limits are changed by the owner, and hold for the next server", onRealMachines, async () => {
  await using server = await TestServer.start();
  using podium = server.connect("alice");
  const id = await startJob(podium, StartRequest.create({ argv: ["sleep", "100"], pids: 9n }));
  using bob = server.connect("bob");
  using viewer = server.connect("viewer");
  await refused(updateJob(bob, UpdateRequest.create({ id, pids: 3n })), /there is no job/);
  await refused(updateJob(viewer, UpdateRequest.create({ id, pids: 3n })), /changes nothing/);
  const change = { cpus: 0.25, memoryBytes: size(128), pids: 20n };
  await updateJob(podium, UpdateRequest.create({ ...change, id }));
  await server.kill();
  await server.start();
  const { limits } = await jobStatus(podium, id);
  assert.equal([limits?.cpus, limits?.memoryBytes, limits?.pids], Object.values(change));
  assert.is(JSON.parse(readFileSync(join(server.data, `jobs/${id}/job.json`), "utf8")).limits.pids, 20);
  await server.podium("alice", ["stop", "--grace", "0s", String(id)]);
  const late = await server.podium("alice", ["update", String(id), "--pids", "5"]);
  assert.equal([late.code, late.stderr], [125, `podium: job ${id} has ended\n`]);
});

test(
  "C09 memory that is in use cannot be taken, more makes room, and the end tells the new limit",
  onRealMachines,
  async () => {
    await using server = await TestServer.start();
    using podium = server.connect("alice");
    const script =
      "import sys; kept = bytearray(b'x') * (48 << 20); print('ready', flush=True); sys.stdin.read(1); more = bytearray(b'y') * (200 << 20)";
    const run = server.cli("alice", ["run", "-i", "-m", "96M", "--", "python3", "-c", script]);
    await run.sees("ready\n");
    const id = 1n;
    const low = await server.podium("alice", ["update", String(id), "-m", "16M"]);
    assert.equal([low.code, /mem: .*EBUSY/.test(low.stderr)], [125, true], low.stderr);
    assert.is((await jobStatus(podium, id)).state, "RUNNING");
    assert.is((await jobStatus(podium, id)).limits?.memoryBytes, size(96));
    await updateJob(podium, UpdateRequest.create({ id, memoryBytes: size(128) }));
    run.child.stdin?.end("x");
    const { code, stderr } = await run.ended;
    assert.is(code, 137);
    assert.match(stderr, /^podium: job 1: OOM: out of memory \(limit 128M, peak 12[78](\.\d)?M\)\n$/);
  },
);

test("C09 a timeout can be set, moved and lifted, counted from the start", onRealMachines, async () => {
  await using server = await TestServer.start();
  using podium = server.connect("alice");
  const start = (timeoutMs: bigint) => startJob(podium, StartRequest.create({ argv: ["sleep", "100"], timeoutMs }));
  const [none, long, lifted] = [await start(0n), await start(90_000n), await start(5000n)];
  const from = performance.now();
  for (const id of [none, long]) await updateJob(podium, UpdateRequest.create({ id, timeoutMs: 1500n }));
  await updateJob(podium, UpdateRequest.create({ id: lifted, timeoutMs: 0n }));
  for (const id of [none, long]) {
    const { outcome } = await waitForJob(podium, id);
    assert.equal([outcome?.cause, outcome?.message], ["TIMEOUT", "ran longer than its timeout of 1.5s"]);
  }
  const over = await startJob(podium, StartRequest.create({ argv: ["sleep", "100"] }));
  await sleep(1500);
  await updateJob(podium, UpdateRequest.create({ id: over, timeoutMs: 1000n }));
  assert.is((await waitForJob(podium, over)).outcome?.cause, "TIMEOUT");
  await sleep(Math.max(0, 5500 - (performance.now() - from)));
  assert.is((await jobStatus(podium, lifted)).state, "RUNNING");
});
