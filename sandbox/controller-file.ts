// Files of control groups that a request sets by itself (`--cgroup FILE=VALUE`): which names may be used, and what some of
// them make of the limits that podium knows.
import type { ControllerFile, Limits } from "./spec.ts";

/** What is wrong with a file or value before the kernel is asked; null when nothing is. */
export interface FileProblem {
  readonly reason: string;
  readonly mend: string;
}

/** `FILE=VALUE`; null when it is not of that form. */
export function parseControllerFile(text: string): ControllerFile | null {
  const cut = text.indexOf("=");
  return cut < 1 ? null : { file: text.slice(0, cut), value: text.slice(cut + 1) };
}

/**
 * Files through which a job or its limits would get out of hand: the group itself, who is in it, devices, and a kernel that
 * does not kill for memory (the job would hang at its limit).
 */
const forbidden = /^(cgroup\..*|tasks|release_agent|notify_on_release|devices\..*|memory\.oom_control)$/;
const shape = /^[a-z][a-z0-9_]*(\.[A-Za-z0-9_]+)+$/;
/** The kernel takes one page at most; no file of a controller needs nearly as much. */
const longestValue = 1024;

export function problemOf({ file, value }: ControllerFile): FileProblem | null {
  if (forbidden.test(file))
    return { reason: "this file is podium's own affair", mend: "name a file of a controller, say cpu.max" };
  if (!shape.test(file))
    return { reason: "this is no name of a controller's file", mend: "write it like cpu.max=50000 100000" };
  if (!/^[ -~]+$/.test(value) || value.length > longestValue)
    return {
      reason: `the value is not one line of 1 to ${longestValue} plain characters`,
      mend: "write it as in the kernel's documentation",
    };
  return null;
}

/** The limits that have a number, which files can change too. */
export type FileLimit = "cpus" | "memoryBytes" | "pids" | "ioBytesPerSecond";

/** What a file makes of a limit: a number, Infinity for none, NaN for a value that only the kernel can judge. */
export interface LimitOfFile {
  readonly limit: FileLimit;
  readonly value: number;
}

const v1PeriodUs = 100_000;

/** null: this file changes none of those limits. `limits` are those that hold beside it. */
export function limitOfFile(
  { file, value }: ControllerFile,
  limits: Pick<Limits, "cpus" | "memoryBytes">,
  others: readonly ControllerFile[] = [],
): LimitOfFile | null {
  switch (file) {
    case "cpu.max":
      return { limit: "cpus", value: coresOfMax(value) };
    case "cpu.cfs_quota_us":
      return { limit: "cpus", value: cores(value, lastValue(others, "cpu.cfs_period_us") ?? String(v1PeriodUs)) };
    case "cpu.cfs_period_us": {
      const quota = limits.cpus === 0 ? "-1" : String(Math.round(limits.cpus * v1PeriodUs));
      return { limit: "cpus", value: cores(lastValue(others, "cpu.cfs_quota_us") ?? quota, value) };
    }
    case "memory.max":
    case "memory.limit_in_bytes":
    case "memory.memsw.limit_in_bytes":
      return { limit: "memoryBytes", value: bytes(value) };
    case "memory.swap.max":
      return {
        limit: "memoryBytes",
        value: limits.memoryBytes === 0 ? Number.POSITIVE_INFINITY : limits.memoryBytes + bytes(value),
      };
    case "pids.max":
      return { limit: "pids", value: value === "max" ? Number.POSITIVE_INFINITY : whole(value) };
    case "io.max":
      return rateOfIoMax(value);
    case "blkio.throttle.read_bps_device":
    case "blkio.throttle.write_bps_device":
      return { limit: "ioBytesPerSecond", value: whole(value.split(" ")[1] ?? "") || Number.POSITIVE_INFINITY };
    default:
      return null;
  }
}

function lastValue(files: readonly ControllerFile[], name: string): string | undefined {
  return files.findLast(({ file }) => file === name)?.value;
}

/** `50000 100000`, `max`, `50000`. */
function coresOfMax(value: string): number {
  const [quota = "", period = String(v1PeriodUs)] = value.trim().split(/\s+/);
  return quota === "max" ? Number.POSITIVE_INFINITY : cores(quota, period);
}

function cores(quota: string, period: string): number {
  return /^-\d+$/.test(quota) ? Number.POSITIVE_INFINITY : whole(quota) / whole(period);
}

/** As the kernel's memparse reads it: `64M`, `max`, `-1`. */
function bytes(value: string): number {
  if (value === "max" || value === "-1") return Number.POSITIVE_INFINITY;
  const [, digits, suffix = ""] = /^(\d+)([KMGTPE]?)$/i.exec(value) ?? [];
  return digits === undefined ? Number.NaN : Number(digits) * 1024 ** " KMGTPE".indexOf(suffix.toUpperCase() || " ");
}

function whole(value: string): number {
  return /^\d+$/.test(value) ? Number(value) : Number.NaN;
}

/** A line that names only operations changes nothing of the bytes. */
function rateOfIoMax(value: string): LimitOfFile | null {
  const rates = [...value.matchAll(/\b[rw]bps=(\S+)/g)].map(([, rate = ""]) =>
    rate === "max" ? Number.POSITIVE_INFINITY : whole(rate),
  );
  return rates.length === 0 ? null : { limit: "ioBytesPerSecond", value: Math.max(...rates) };
}

/** The limits as the files leave them, for whoever is told of them; a value that only the kernel can judge changes nothing. */
export function limitsWithFiles<T extends Limits>(limits: T): T {
  const files = limits.files ?? [];
  const changed = files.flatMap((file) => {
    const found = file.file === "memory.swap.max" ? null : limitOfFile(file, limits, files);
    if (found === null || Number.isNaN(found.value)) return [];
    return [[found.limit, Number.isFinite(found.value) ? found.value : 0]];
  });
  return { ...limits, ...Object.fromEntries(changed) };
}
