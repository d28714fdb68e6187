// Live usage: the figures are those of the control groups, in every way that podium tells them.
import { chmodSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { jobStatus, waitForJob } from "../../src/client/jobs.ts";
import { startJob } from "../../src/client/start.ts";
import { jobStats } from "../../src/client/stats.ts";
import { stopJob } from "../../src/client/stop.ts";
import { Grant, type JobStats, StartRequest } from "../../src/gen/podium.ts";
import { groupFile } from "../support/groups.ts";
import { podiumScript, startProgram } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const test = suite("podium stats");
const needs = requires("root", "libseccomp");
const onRealMachines = requires("root", "libseccomp", "swift");
const mebibyte = 1 << 20;

test("C14 stats agree with the files of the control group, live, in the status and at the end", needs, async () => {
  using folder = temporaryFolder();
  chmodSync(folder.path, 0o777);
  const folders = [{ path: folder.path, users: ["*"], write: true }];
  await using server = await TestServer.start({ config: { folders } });
  using podium = server.connect("alice");
  const script =
    "dd if=/dev/zero of=/data/x bs=1M count=8 oflag=direct; for i in 1 2 3; do sleep 0.3 & done; wait; " +
    "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo idle; sleep 100; true";
  const grants = [Grant.create({ source: folder.path, target: "/data", writable: true })];
  // v1 counts traffic only on disks of which some group has a limit.
  const limits = { mem: BigInt(64 * mebibyte), pids: 9n, io: BigInt(1024 * mebibyte) };
  const id = await startJob(podium, StartRequest.create({ cmd: script, ...limits, grants }));
  const output = server.cli("alice", ["logs", "-f", String(id)], { input: "" });
  await output.sees("idle\n");

  const { pid } = await jobStatus(podium, id);
  const inGroup = (controller: string, ...names: string[]) => Number(groupFile(Number(pid), controller, ...names));
  const cpuSeconds = () => {
    const text = groupFile(Number(pid), "cpuacct", "cpu.stat", "cpuacct.usage");
    return Number(/^usage_usec (\d+)$/m.exec(text)?.[1] ?? Number(text) / 1e3) / 1e6;
  };
  await until("it sleeps", () => inGroup("pids", "pids.current") === 2);
  await sleep(200);
  const [jobs] = await readings(jobStats(podium, { id }));
  const usage = jobs?.[0]?.usage;
  assert.ok(usage);
  // It sleeps now: its figures stand still.
  assert.ok(Math.abs(usage.cpuSeconds - cpuSeconds()) < 0.005 && usage.cpuSeconds > 0.02, `${usage.cpuSeconds} s`);
  const memory = inGroup("memory", "memory.current", "memory.usage_in_bytes");
  assert.ok(Math.abs(Number(usage.memoryBytes) - memory) < mebibyte / 2, `${usage.memoryBytes} of ${memory}`);
  assert.is(usage.pids, BigInt(inGroup("pids", "pids.current")));
  assert.is(usage.pids, 2n);
  if (usage.pidsPeak !== 0n) assert.equal([usage.pidsPeak, BigInt(inGroup("pids", "pids.peak"))], [4n, 4n]);
  assert.ok(usage.memoryPeakBytes >= usage.memoryBytes && usage.memoryPeakBytes <= 64 * mebibyte);
  const written = Number(usage.ioWriteBytes);
  assert.ok(written >= 8 * mebibyte && written < 12 * mebibyte, `${written} bytes written`);
  assert.ok(usage.ioWriteOperations >= 8n);

  const told = JSON.parse((await server.podium("alice", ["status", String(id), "-o", "json"])).stdout).usage;
  assert.equal([told.pids, BigInt(told.ioWriteBytes)], [2, usage.ioWriteBytes]);
  assert.is(told.pressure === null, usage.cpuPressure === undefined);

  await stopJob(podium, id, { signal: "KILL", graceMs: 0 });
  await output.ended;
  const final = (await waitForJob(podium, id)).usage;
  assert.equal([final?.pids, final?.memoryBytes, final?.ioWriteBytes], [0n, 0n, usage.ioWriteBytes]);
  assert.ok((final?.cpuSeconds ?? 0) >= usage.cpuSeconds);
  const ended = await readings(jobStats(podium, { id, intervalMs: 100 }));
  assert.is(ended.length, 1, "the figures of an ended job come once");
  assert.equal([ended[0]?.[0]?.state, ended[0]?.[0]?.usage], ["FAILED", final]);
});

async function readings(stream: AsyncIterable<readonly JobStats[]>): Promise<(readonly JobStats[])[]> {
  const all: (readonly JobStats[])[] = [];
  for await (const reading of stream) all.push(reading);
  return all;
}

test(
  "the stream of one job goes on to its end, with the processor's share of each interval",
  onRealMachines,
  async () => {
    await using server = await TestServer.start();
    using podium = server.connect("alice");
    const id = await startJob(
      podium,
      StartRequest.create({ cmd: "sleep 1; while :; do :; done", cpu: 0.5, timeoutMs: 4000n }),
    );
    const all = (await readings(jobStats(podium, { id, intervalMs: 200 }))).map(([job]) => job as JobStats);
    assert.ok(all.length >= 5, `${all.length} messages`);
    assert.is(all.at(-1)?.state, "FAILED");
    const shares = all.map(({ cpuPercent }) => cpuPercent);
    assert.ok(Math.min(...shares) < 8 && Math.max(...shares) > 15, `shares ${shares}`);
    for (let i = 1; i < all.length; i++)
      assert.ok((all[i]?.usage?.cpuSeconds ?? 0) >= (all[i - 1]?.usage?.cpuSeconds ?? 0), "time goes on");
  },
);

test("the command shows one's own running jobs once, or refreshes a table on a terminal", onRealMachines, async () => {
  await using server = await TestServer.start();
  using alice = server.connect("alice");
  using bob = server.connect("bob");
  const start = { argv: ["sleep", "100"], mem: BigInt(32 * mebibyte) };
  await startJob(alice, StartRequest.create({ ...start, name: "calm" }));
  await startJob(bob, StartRequest.create(start));

  const table = await server.podium("alice", ["stats"]);
  assert.match(
    table.stdout,
    /^ID +NAME +USER +CPU +SECONDS +MEMORY +PEAK +READ\/WRITTEN +PIDS +PEAK.*\n1 +calm +alice +0\.0% .*\/32M .* 1\/512 .*\n$/,
  );
  const everybody = JSON.parse((await server.podium("admin", ["stats", "-o", "json"])).stdout);
  assert.equal(
    everybody.map((job: { id: number; user: string }) => [job.id, job.user]),
    [
      [1, "alice"],
      [2, "bob"],
    ],
  );
  const one = JSON.parse((await server.podium("alice", ["stats", "calm", "-o", "json"])).stdout);
  assert.equal([one[0].limits.memoryBytes, one[0].usage.pids], [32 * mebibyte, 1]);
  const foreign = await server.podium("alice", ["stats", "2"]);
  assert.equal([foreign.code, foreign.stderr], [125, "podium: there is no job 2\n"]);

  const live = `timeout 60 ${podiumScript} stats --interval 200ms calm`;
  const env = { PODIUM_PROFILE: server.profile("alice"), TERM: "xterm" };
  const shown = startProgram("script", ["-qec", live, "/dev/null"], { env });
  const anew = "\x1b[2A\r\x1b[J";
  await shown.sees(anew); // it draws over what it drew
  shown.child.kill("SIGTERM");
  const [first = ""] = (await shown.ended).stdout.toString().split(anew);
  assert.match(first, /calm/);
});
