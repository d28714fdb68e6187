import * as assert from "uvu/assert";
import { limitOfFile, limitsWithFiles, parseControllerFile, problemOf } from "../../sandbox/controller-file.ts";
import type { ControllerFile } from "../../sandbox/spec.ts";
import type { JobMeta } from "../../src/jobs/folder.ts";
import { changedLimits } from "../../src/jobs/limit-change.ts";
import { applyPolicy, type Policy } from "../../src/jobs/policy.ts";
import { policyOf, readConfig } from "../../src/server/config.ts";
import { suite } from "../support/suite.ts";

const test = suite("files of control groups in requests");
const unlimited = {
  cpus: 0,
  memoryBytes: 0,
  ioBytesPerSecond: 0,
  pids: 0,
  timeoutMs: 0,
  outputBytes: 0,
  outputKill: false,
};

function file(text: string): ControllerFile {
  const parsed = parseControllerFile(text);
  assert.ok(parsed, text);
  return parsed;
}

test("FILE=VALUE is cut at the first equals sign", () => {
  assert.equal(file("io.max=8:0 rbps=1"), { file: "io.max", value: "8:0 rbps=1" });
  assert.equal([parseControllerFile("cpu.max"), parseControllerFile("=1")], [null, null]);
});

test("a job's group itself, its members, devices and the switch of the OOM killer are never set", () => {
  const never = ["cgroup.procs=1", "cgroup.kill=1", "cgroup.subtree_control=+cpu", "tasks=1", "release_agent=/x"];
  for (const text of [...never, "notify_on_release=1", "devices.allow=a", "memory.oom_control=1"])
    assert.match(problemOf(file(text))?.reason ?? "", /podium's own affair/, text);
  for (const text of ["../cpu.max=1", "a/b.c=1", "cpu=1", "Cpu.max=1", "cpu..max=1"])
    assert.match(problemOf(file(text))?.reason ?? "", /no name of a controller's file/, text);
  for (const text of ["cpu.max=", "cpu.max=a\nb", "cpu.max=\0", `cpu.max=${"1".repeat(2000)}`])
    assert.match(problemOf(file(text))?.reason ?? "", /not one line/, text);
  assert.is(problemOf(file("cpu.max=50000 100000")), null);
});

test("what a file makes of a limit is read as the kernel reads it", () => {
  const expected: readonly (readonly [string, string, number])[] = [
    ["cpu.max=50000 100000", "cpus", 0.5],
    ["cpu.max=50000", "cpus", 0.5],
    ["cpu.max=max", "cpus", Number.POSITIVE_INFINITY],
    ["cpu.cfs_quota_us=-1", "cpus", Number.POSITIVE_INFINITY],
    ["cpu.cfs_quota_us=20000", "cpus", 0.2],
    // The quota of the limit beside it (1 core), in a tenth of the period.
    ["cpu.cfs_period_us=10000", "cpus", 10],
    ["memory.max=64M", "memoryBytes", 64 << 20],
    ["memory.limit_in_bytes=-1", "memoryBytes", Number.POSITIVE_INFINITY],
    ["memory.swap.max=1M", "memoryBytes", 3 << 20],
    ["pids.max=max", "pids", Number.POSITIVE_INFINITY],
    ["io.max=8:0 rbps=100 wbps=max", "ioBytesPerSecond", Number.POSITIVE_INFINITY],
    ["blkio.throttle.read_bps_device=8:0 0", "ioBytesPerSecond", Number.POSITIVE_INFINITY],
    ["blkio.throttle.write_bps_device=8:0 77", "ioBytesPerSecond", 77],
  ];
  for (const [text, limit, value] of expected)
    assert.equal(limitOfFile(file(text), { cpus: 1, memoryBytes: 2 << 20 }), { limit, value }, text);
  assert.is(limitOfFile(file("io.max=8:0 riops=5"), { cpus: 0, memoryBytes: 0 }), null);
  assert.ok(Number.isNaN(limitOfFile(file("pids.max=many"), { cpus: 0, memoryBytes: 0 })?.value));
});

test("limits that files set are told as limits", () => {
  const limits = { cpus: 2, memoryBytes: 0, ioBytesPerSecond: 0, pids: 512 };
  const files = [file("memory.max=64M"), file("cpu.max=max 1000"), file("cpu.max.burst=5")];
  const told = limitsWithFiles({ ...limits, files });
  assert.equal([told.memoryBytes, told.cpus, told.pids], [64 << 20, 0, 512]);
});

function policy(maximum: Partial<Policy["maximum"]>, cgroupFiles: readonly string[]): Policy {
  const usual = policyOf(readConfig(undefined), []);
  return { ...usual, defaults: unlimited, maximum: { ...unlimited, ...maximum }, cgroupFiles };
}

function refusal(text: string, by: Policy): string {
  try {
    applyPolicy({ argv: ["true"], files: [file(text)] }, by, "alice");
  } catch (error) {
    return (error as Error).message;
  }
  return "";
}

test("over the network only listed files may be set, and the upper bounds hold for them", () => {
  const files = ["cpu.max", "memory.max", "memory.swap.max", "pids.max", "io.max", "cpu.cfs_period_us"];
  assert.match(refusal("cpu.idle=1", policy({}, files)), /^cgroup\[0\]: cpu\.idle=1: .*"cgroupFiles"/);
  assert.is(refusal("cpu.max=max", policy({}, files)), "");
  const bounded = policy({ cpus: 1, memoryBytes: 1 << 20, pids: 10, ioBytesPerSecond: 100 }, files);
  for (const text of [
    ...["cpu.max=max", "cpu.max=200000 100000", "cpu.max=junk", "memory.max=2M", "memory.max=max"],
    ...["memory.swap.max=1", "pids.max=11", "io.max=8:0 wbps=101", "io.max=8:0 rbps=max", "cpu.cfs_period_us=50000"],
  ])
    assert.match(refusal(text, bounded), /^cgroup\[0\]: .* is above this server's bound; ask for at most/, text);
  for (const text of ["cpu.max=100000 100000", "memory.max=1M", "pids.max=10", "io.max=8:0 wbps=100 rbps=5"])
    assert.is(refusal(text, bounded), "", text);
});

test("a weight above everybody's is for those whom the configuration lets", () => {
  const ask = (cpuWeight: number, by: Policy) => applyPolicy({ argv: ["true"], cpuWeight }, by, "alice").cpuWeight;
  assert.is(ask(100, policy({}, [])), 100);
  assert.throws(() => ask(101, policy({}, [])), /^cpu_weight: 101 is above this server's bound; ask for at most 100$/);
  assert.is(ask(500, policy({ cpuWeight: 500 }, [])), 500);
});

test("a change of limits keeps what it does not name, inside the bounds, and takes the place of a file", () => {
  const meta = {
    command: ["true"],
    user: "alice",
    timeoutMs: 1000,
    limits: {
      cpus: 0.5,
      memoryBytes: 64 << 20,
      ioBytesPerSecond: 0,
      pids: 7,
      files: [file("cpu.max=50000 100000"), file("cpu.idle=0")],
    },
  } as unknown as JobMeta;
  const by = policy({ memoryBytes: 128 << 20 }, ["cpu.max", "cpu.idle"]);
  const change = (what: Parameters<typeof changedLimits>[1]) => changedLimits(meta, what, by);
  const kept = change({ pids: 9 });
  assert.equal([kept.limits.pids, kept.limits.cpus, kept.limits.memoryBytes, kept.timeoutMs], [9, 0.5, 64 << 20, 1000]);
  assert.is(kept.limits.files?.length, 2);
  const faster = change({ cpus: 2 });
  assert.equal([faster.limits.cpus, faster.limits.files], [2, [file("cpu.idle=0")]]);
  assert.is(change({ memoryBytes: 0 }).limits.memoryBytes, 128 << 20, "lifted to the bound");
  assert.throws(() => change({ memoryBytes: 129 << 20 }), /^mem: .* is above this server's bound/);
  const again = change({ files: [file("cpu.max=max 100000")] });
  assert.equal(again.limits.files, [file("cpu.idle=0"), file("cpu.max=max 100000")]);
  assert.is(again.limits.cpus, 0);
});
