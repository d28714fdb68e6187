// The files of a v2 group as plain files in a folder: this shows names, values and parsing, not that a kernel obeys.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { openGroup } from "../../sandbox/cgroup/create.ts";
import type { V2Plan } from "../../sandbox/cgroup/group.ts";
import { v2Settings } from "../../sandbox/cgroup/v2.ts";
import type { Limits } from "../../sandbox/spec.ts";
import { temporaryFolder } from "../support/openssl.ts";
import { suite } from "../support/suite.ts";

const test = suite("cgroup v2 files");
const none: Limits = { cpus: 0, memoryBytes: 0, ioBytesPerSecond: 0, pids: 0 };
const all: Limits = { cpus: 0.5, memoryBytes: 64 << 20, ioBytesPerSecond: 1000, pids: 20 };
const controllers = ["cpu", "memory", "pids", "io"] as const;

function fakeGroup(files: Readonly<Record<string, string>>) {
  const folder = temporaryFolder("cgroup-v2");
  const path = join(folder.path, "jobs/7");
  mkdirSync(path, { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
  const plan: V2Plan = { version: 2, root: folder.path, controllers, unenforceable: {} };
  return {
    path,
    group: openGroup(plan, "7"),
    read: (file: string) => readFileSync(join(path, file), "utf8"),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

const figures = {
  "cpu.stat": "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n",
  "memory.current": "4096\n",
  "memory.peak": "8192\n",
  "memory.events": "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\noom_group_kill 1\n",
  "pids.current": "3\n",
  "pids.peak": "5\n",
  "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n",
  "cpu.pressure": "some avg10=1.00 avg60=0.00 avg300=0.00 total=1000000\n",
  "memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
};

function written(limits: Limits, disks: readonly string[] = ["8:0", "8:16"]): string[] {
  return v2Settings("/g", controllers, limits, disks)
    .filter(({ initial }) => !initial)
    .map(({ file, value }) => `${file}=${value}`);
}

test("a request with every limit writes every file, memory without swap and killed as a whole", () => {
  assert.equal(written(all), [
    "cpu.max=50000 100000",
    "memory.max=67108864",
    "memory.swap.max=0",
    "memory.oom.group=1",
    "pids.max=20",
    "io.max=8:0 rbps=1000 wbps=1000",
    "io.max=8:16 rbps=1000 wbps=1000",
  ]);
});

test("a new group without limits needs no write, a lifted limit is the kernel's word for none", () => {
  assert.equal(written(none), []);
  const lifted = v2Settings("/g", controllers, none, ["8:0"]).map(({ file, value }) => `${file}=${value}`);
  assert.equal(lifted, [
    "cpu.max=max 100000",
    "cpu.weight=100",
    "memory.high=max",
    "memory.max=max",
    "memory.swap.max=max",
    "memory.oom.group=0",
    "pids.max=max",
    "io.max=8:0 rbps=max wbps=max",
    "io.max=8:0 riops=max wiops=max",
  ]);
});

test("further limits have their files, those of the request come last", () => {
  const limits = { ...none, cpuWeight: 50, memoryHighBytes: 4096, ioOperationsPerSecond: 20, cpuset: "0-1" };
  const files = [{ file: "cpu.max.burst", value: "1000" }];
  const settings = v2Settings("/g", [...controllers, "cpuset"], { ...limits, files }, ["8:0"]);
  assert.equal(
    settings.filter(({ initial }) => !initial).map(({ file, value }) => `${file}=${value}`),
    [...["cpu.weight=50", "cpuset.cpus=0-1", "memory.high=4096", "io.max=8:0 riops=20 wiops=20"], "cpu.max.burst=1000"],
  );
});

test("nothing is written for a controller that the host lacks", () => {
  assert.equal(
    v2Settings("/g", ["pids"], all, ["8:0"]).map(({ file }) => file),
    ["pids.max"],
  );
});

test("usage is read in seconds and bytes", () => {
  using fake = fakeGroup(figures);
  const always = { cpuSeconds: 1.5, memoryBytes: 4096, memoryPeakBytes: 8192, pids: 3 };
  const io = { readBytes: 1, writeBytes: 2, readOperations: 3, writeOperations: 4 };
  assert.equal(fake.group.usage(), { ...always, pidsPeak: 5, io });
  writeFileSync(join(fake.path, "io.pressure"), figures["cpu.pressure"]);
  const waited = { somePercent: 1, fullPercent: 0, someSeconds: 1, fullSeconds: 0 };
  assert.equal(fake.group.usage().pressure?.io, waited);
  rmSync(join(fake.path, "pids.peak"));
  assert.is(fake.group.usage().pidsPeak, undefined, "a kernel before 6.1");
  assert.is(fake.group.oomKills(), 2);
});

test("without memory.peak the highest figure seen stands for it", () => {
  using fake = fakeGroup(figures);
  rmSync(join(fake.path, "memory.peak"));
  fake.group.usage();
  writeFileSync(join(fake.path, "memory.current"), "1000\n");
  assert.is(fake.group.usage().memoryPeakBytes, 4096);
  assert.is(fake.group.usage().memoryBytes, 1000);
});

test("a change writes to the files of the group, and a missing file is named with its field", () => {
  using fake = fakeGroup({
    "cpu.max": "",
    "cpu.weight": "",
    "memory.current": "0\n",
    "memory.high": "",
    "memory.max": "",
    "memory.swap.max": "",
    "memory.oom.group": "",
    "io.max": "",
  });
  assert.throws(
    () => fake.group.update(all, ["8:0"]),
    (error: Error) => error.message === `limits.pids: cannot write "20" to ${fake.path}/pids.max: ENOENT`,
  );
  assert.is(fake.read("cpu.max"), "50000 100000");
  assert.is(fake.read("memory.max"), String(64 << 20));
});

test("a figure that is no number is named by its file", () => {
  using fake = fakeGroup({ ...figures, "pids.current": "many\n" });
  assert.throws(() => fake.group.usage(), /^pids\.current: "many" is not a number$/);
});
