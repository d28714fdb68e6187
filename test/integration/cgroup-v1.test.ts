// The groups of cgroup v1 with real processes in them, below this process's own groups.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { wholeDisks } from "../../sandbox/cgroup/block-device.ts";
import { createGroup, openGroup } from "../../sandbox/cgroup/create.ts";
import { findPlacement } from "../../sandbox/cgroup/find-placement.ts";
import type { CgroupPlan, Group, V1Plan } from "../../sandbox/cgroup/group.ts";
import { preparePlacement, removePlacement, sweepJobs } from "../../sandbox/cgroup/placement.ts";
import type { Limits } from "../../sandbox/spec.ts";
import { PollSet } from "../../sandbox/sys/poll.ts";
import { measured } from "../support/measured.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const test = suite("cgroup v1");
const onV1 = requires("root", "cgroup1");
const member = fileURLToPath(new URL("../support/group-member.js", import.meta.url));
const none: Limits = { cpus: 0, memoryBytes: 0, ioBytesPerSecond: 0, pids: 0 };

/** A prepared placement of its own, which must be gone completely at the end. */
function place(tag: string) {
  const plan = findPlacement(`c9${process.pid.toString(16)}${tag}`) as V1Plan;
  assert.is(plan.version, 1);
  preparePlacement(plan);
  return {
    plan,
    make: (name: string, limits: Partial<Limits>, disks: readonly string[] = []) =>
      createGroup(plan, { name, limits: { ...none, ...limits }, disks }),
    [Symbol.dispose]() {
      sweepJobs(plan, new Set());
      assert.equal(removePlacement(plan), []);
      for (const root of Object.values(plan.roots)) assert.not(existsSync(root), `${root} is left`);
    },
  };
}

/** The command of a process that enters the group itself, then runs the shell line. */
function inside(plan: CgroupPlan, name: string, line: string): [string, string[]] {
  const node = ["--single-threaded", "--v8-pool-size=0", member];
  return [process.execPath, [...node, JSON.stringify(plan), name, "/bin/sh", "-c", line]];
}

function start(plan: CgroupPlan, name: string, line: string): ChildProcess {
  return spawn(...inside(plan, name, line), { stdio: "ignore" });
}

function run(plan: CgroupPlan, name: string, line: string) {
  return spawnSync(...inside(plan, name, line), { encoding: "utf8", timeout: 30_000 });
}

function limitIn(group: Group, folderPart: string, file: string): string {
  const folder = group.folders.find((path) => path.includes(`/${folderPart}/`));
  return readFileSync(join(folder ?? "", file), "utf8").trim();
}

test("half a core is half of the wall time", onV1, async () => {
  using here = place("1");
  const group = here.make("busy", { cpus: 0.5 });
  const child = start(here.plan, "busy", "while :; do :; done");
  try {
    await until("the loop is alone in its group", () => group.usage().pids === 1);
    await sleep(300);
    const most: number[] = [];
    const share = await measured(
      async () => {
        const began = performance.now();
        const before = group.usage().cpuSeconds;
        await sleep(3000);
        const used = (group.usage().cpuSeconds - before) / ((performance.now() - began) / 1000);
        most.push(used);
        return used;
      },
      (used) => used > 0.45, // less is what others leave it, more is wrong every time
    );
    assert.ok(share > 0.45 && Math.max(...most) < 0.55, `used ${most} cores`);
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
    group.remove();
  }
});

test("what takes more memory than it may is killed, counted once, and the event descriptor wakes", onV1, async () => {
  using here = place("2");
  const group = here.make("hog", { memoryBytes: 32 << 20 });
  assert.is(limitIn(group, "memory", "memory.memsw.limit_in_bytes"), String(32 << 20), "swap is not limited");
  const poll = new PollSet();
  const wokenBy = (timeoutMs: number) => {
    poll.clear();
    const index = poll.add(group.oomEvents.fd, group.oomEvents.events);
    poll.wait(timeoutMs);
    return poll.ready(index) & group.oomEvents.events;
  };
  assert.is(wokenBy(0), 0);
  const child = start(here.plan, "hog", "exec tail /dev/zero");
  const ended = once(child, "exit");
  assert.is(wokenBy(20_000), group.oomEvents.events);
  assert.equal(await ended, [null, "SIGKILL"]);
  assert.is(group.oomKills(), 1);
  assert.is(wokenBy(0), 0, "reading the count did not re-arm the event");
  const { memoryPeakBytes } = group.usage();
  assert.ok(memoryPeakBytes > 31 << 20 && memoryPeakBytes <= 32 << 20, `peak ${memoryPeakBytes}`);
  group.remove();
});

test("a process more than allowed cannot be forked", onV1, () => {
  using here = place("3");
  here.make("few", { pids: 3 });
  const fits = run(here.plan, "few", "sleep 0.1 & sleep 0.1 & wait; echo all");
  assert.is(fits.stdout, "all\n");
  // They sleep for long, so that all are there at once, and hold none of the streams: the shell's end is the run's.
  const tooMany = run(here.plan, "few", `${"sleep 60 > /dev/null 2>&1 & ".repeat(3)} echo all`);
  assert.match(tooMany.stderr, /[Cc]annot fork/);
  assert.is.not(tooMany.stdout, "all\n");
  assert.equal(sweepJobs(here.plan, new Set()), ["few"]);
});

for (const [direction, options] of [
  ["writes", "if=/dev/zero of=FILE oflag=direct"],
  ["reads", "if=FILE of=/dev/null iflag=direct"],
] as const) {
  test(`direct ${direction} go at the rate allowed`, onV1, async () => {
    using here = place(direction === "reads" ? "4" : "5");
    using folder = temporaryFolder();
    const file = join(folder.path, "data");
    assert.is(spawnSync("dd", ["if=/dev/zero", `of=${file}`, "bs=1M", "count=9", "oflag=direct"]).status, 0);
    const group = here.make("io", { ioBytesPerSecond: 3 << 20 }, wholeDisks([folder.path]));
    const line = `dd ${options.replace("FILE", file)} bs=256k count=36 conv=notrunc`;
    const take = () => {
      const { stderr, status } = run(here.plan, "io", line);
      assert.is(status, 0, stderr);
      const took = Number(/copied, ([0-9.]+) s/.exec(stderr)?.[1]);
      assert.ok(took > 3 * 0.85, `9 MiB took ${took} s`);
      return took;
    };
    const seconds = await measured(take, (took) => took < 3 * 1.15); // a busy disk or processor takes longer
    assert.ok(seconds < 3 * 1.15, `9 MiB took ${seconds} s`);
    group.remove();
  });
}

test("limits of a running group go up, down and away", onV1, () => {
  using here = place("6");
  const group = here.make("change", { memoryBytes: 64 << 20 }, ["1:0"]);
  const change = (memoryBytes: number) => group.update({ ...none, memoryBytes, cpus: 0.25, pids: 9 }, []);
  for (const memoryBytes of [128 << 20, 32 << 20]) {
    change(memoryBytes);
    assert.is(limitIn(group, "memory", "memory.limit_in_bytes"), String(memoryBytes));
    assert.is(limitIn(group, "memory", "memory.memsw.limit_in_bytes"), String(memoryBytes));
  }
  assert.is(limitIn(group, "cpu", "cpu.cfs_quota_us"), "25000");
  assert.is(limitIn(group, "pids", "pids.max"), "9");
  group.update(none, []);
  assert.is(limitIn(group, "cpu", "cpu.cfs_quota_us"), "-1");
  assert.is(limitIn(group, "pids", "pids.max"), "max");
  assert.ok(Number(limitIn(group, "memory", "memory.limit_in_bytes")) > 2 ** 60);
  group.remove();
});

test("a limit that the kernel refuses leaves no group and says which file and value", onV1, () => {
  using here = place("7");
  assert.throws(
    () => here.make("bad", { cpus: 1, memoryBytes: 64 << 20, ioBytesPerSecond: 5 }, ["9:987"]),
    /^limits\.ioBytesPerSecond: cannot write "9:987 5" to \/.*\/jobs\/bad\/blkio\.throttle\.read_bps_device: ENODEV$/,
  );
  for (const root of Object.values(here.plan.roots)) assert.not(existsSync(`${root}/jobs/bad`));
});

test("a name in use is refused and the group that has it stays", onV1, () => {
  using here = place("8");
  const group = here.make("twice", { pids: 7 });
  assert.throws(() => here.make("twice", {}), /^cannot make control group \/.*\/jobs\/twice: EEXIST$/);
  assert.is(limitIn(group, "pids", "pids.max"), "7");
  group.remove();
});

test("the sweep ends what a crash left, and spares the jobs that are kept", onV1, async () => {
  using here = place("9");
  here.make("kept", {});
  here.make("left", {});
  const [left, kept] = [start(here.plan, "left", "sleep 60 & wait"), start(here.plan, "kept", "exec sleep 60")];
  const usage = (name: string) => openGroup(here.plan, name).usage();
  await until("shell and child of the one", () => usage("left").pids === 2);
  await until("the other", () => usage("kept").pids === 1);
  const ended = once(left, "exit");
  assert.equal(sweepJobs(here.plan, new Set(["kept"])), ["left"]);
  assert.equal(await ended, [null, "SIGKILL"]);
  assert.is(kept.exitCode, null);
  const busy = removePlacement(here.plan);
  assert.ok(busy.length > 0 && busy.every((folder) => folder.endsWith("/jobs/kept")), busy.join(" "));
  kept.kill("SIGKILL");
  await once(kept, "exit");
});
