// Which limits will hold here, through which files: what the plan of the groups says (it decides at Start too), and what the
// files that are there add.
import { existsSync, readFileSync } from "node:fs";
import { wholeDisks } from "../cgroup/block-device.ts";
import { CgroupError } from "../cgroup/errors.ts";
import type { CgroupPlan, V1Controller, V2Controller } from "../cgroup/group.ts";
import { type Check, lacking, met, wanting } from "./check.ts";

interface Limit {
  readonly field: keyof CgroupPlan["unenforceable"];
  readonly option: string;
  readonly v1: readonly [controller: V1Controller, files: string];
  readonly v2: readonly [controller: V2Controller, files: string];
}

const limits: readonly Limit[] = [
  { field: "cpus", option: "cpus", v1: ["cpu", "cpu.cfs_quota_us"], v2: ["cpu", "cpu.max"] },
  {
    field: "memoryBytes",
    option: "memory",
    v1: ["memory", "memory.limit_in_bytes, memory.memsw.limit_in_bytes"],
    v2: ["memory", "memory.max, memory.swap.max"],
  },
  { field: "pids", option: "pids", v1: ["pids", "pids.max"], v2: ["pids", "pids.max"] },
  {
    field: "ioBytesPerSecond",
    option: "io",
    v1: ["blkio", "blkio.throttle.read_bps_device, blkio.throttle.write_bps_device"],
    v2: ["io", "io.max"],
  },
];

/** The plan must be prepared: its `jobs/` folders show the files that jobs' groups will have. */
export function limitChecks(plan: CgroupPlan, data: string): Check[] {
  const lines = limits.map((limit) => limitCheck(plan, limit));
  return [...lines, swapCheck(plan), ...ioChecks(plan, data), ...figureChecks(plan)];
}

function limitCheck(plan: CgroupPlan, { field, option, v1, v2 }: Limit): Check {
  const name = `limit ${option}`;
  const reason = plan.unenforceable[field];
  if (reason !== undefined) {
    const { detail, mend } = splitMend(reason);
    // Every job has a limit of processes, asked for or not: without it none starts.
    return field === "pids" ? lacking(name, detail, mend) : wanting(name, detail, mend);
  }
  const [controller, files] = plan.version === 2 ? v2 : v1;
  return met(name, `cgroup v${plan.version}: ${files} below ${jobsFolder(plan, controller)}`);
}

/** The sentences of the plan and of CgroupError say `reason: mend`. */
export function splitMend(sentence: string): { readonly detail: string; readonly mend: string } {
  const bare = sentence.replace(/\([^)]*\)/g, (inner) => " ".repeat(inner.length)); // what stands in parentheses is no mend
  const cut = bare.lastIndexOf(": ");
  return cut < 0
    ? { detail: sentence, mend: "" }
    : { detail: sentence.slice(0, cut), mend: sentence.slice(cut + ": ".length) };
}

function jobsFolder(plan: CgroupPlan, controller: V1Controller | V2Controller): string {
  return `${plan.version === 2 ? plan.root : plan.roots[controller as V1Controller]}/jobs`;
}

function swapCheck(plan: CgroupPlan): Check {
  const name = "limit swap";
  const file = plan.version === 2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes";
  if (existsSync(`${jobsFolder(plan, "memory")}/${file}`)) return met(name, `${file}: a memory limit counts swap too`);
  const swapIsOn = readFileSync("/proc/swaps", "utf8").trimEnd().split("\n").length > 1;
  if (!swapIsOn) return met(name, "this host has no swap to evade to");
  const mend = "swapoff -a, or boot with swapaccount=1";
  const what =
    plan.version === 2 ? "memory limits are refused" : "a memory limit does not hold for what is swapped out";
  return wanting(name, `the kernel does not account for swap and swap is on: ${what}`, mend);
}

function ioChecks(plan: CgroupPlan, data: string): Check[] {
  if (plan.unenforceable.ioBytesPerSecond !== undefined) return [];
  const buffered =
    plan.version === 2
      ? met("limit io, buffered", "buffered writes are charged to their writer too")
      : wanting(
          "limit io, buffered",
          "on cgroup v1 the io limit holds for reads and direct writes; buffered writes reach the disk from the kernel's own threads",
          toV2,
        );
  return [buffered, diskCheck("/usr"), ...(data === "/usr" || !existsSync(data) ? [] : [diskCheck(data)])];
}

function diskCheck(path: string): Check {
  try {
    return met("limit io, disk", `${path} is on disk ${wholeDisks([path]).join(", ")}`);
  } catch (error) {
    if (!(error instanceof CgroupError)) throw error;
    const mend = "jobs that see it are refused --io; put it on a file system with a disk of this host";
    return wanting("limit io, disk", error.message, mend);
  }
}

const toV2 = "boot with cgroup_no_v1=all (systemd: systemd.unified_cgroup_hierarchy=1) to have all controllers on v2";

function figureChecks(plan: CgroupPlan): Check[] {
  const traffic = plan.version === 2 && plan.controllers.includes("io");
  const pressure = plan.version === 2 && existsSync(`${plan.root}/jobs/cpu.pressure`);
  return [
    traffic
      ? met("figures of io", "podium stats shows what every job reads and writes (io.stat)")
      : wanting(
          "figures of io",
          "a job's disk traffic is counted only on disks of which some job has an io limit",
          toV2,
        ),
    pressure
      ? met("pressure", "podium stats shows it (cpu.pressure, memory.pressure, io.pressure)")
      : wanting("pressure", "podium stats shows no pressure of a job", "use cgroup v2 and boot with psi=1"),
  ];
}
