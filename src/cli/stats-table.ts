// What jobs use, as `stats` prints it for people.
import { formatSize } from "../../sandbox/units.ts";
import type { JobStats, Usage } from "../gen/podium.ts";
import { columns } from "./output.ts";
import { printable } from "./printable.ts";

const head = ["ID", "NAME", "USER", "CPU", "SECONDS", "MEMORY", "PEAK", "READ/WRITTEN", "PIDS", "PEAK"];
const pressureHead = "WAITS CPU/MEM/IO";

/** A head and one line for each job; the column of pressure stands where a job has it. Lines are cut at `width`. */
export function statsTable(jobs: readonly JobStats[], width = Number.POSITIVE_INFINITY): string[] {
  const withPressure = jobs.some(({ usage }) => usage?.cpuPressure !== undefined);
  const rows = jobs.map((job) => [...cells(job), ...(withPressure ? [pressure(job.usage)] : [])]);
  const lines = columns([[...head, ...(withPressure ? [pressureHead] : [])], ...rows].map((row) => row.map(printable)));
  return lines.map((line) => (line.length <= width ? line : `${line.slice(0, width - 1)}…`));
}

function cells({ id, name, user, state, cpuPercent, limits, usage }: JobStats): string[] {
  const of = (value: string, limit: bigint | undefined, text: (limit: bigint) => string) =>
    limit === undefined || limit === 0n ? value : `${value}/${text(limit)}`;
  return [
    String(id),
    name,
    user,
    state === "RUNNING" ? `${cpuPercent.toFixed(1)}%` : state,
    (usage?.cpuSeconds ?? 0).toFixed(2),
    of(size(usage?.memoryBytes), limits?.memoryBytes, size),
    size(usage?.memoryPeakBytes),
    `${size(usage?.ioReadBytes)}/${size(usage?.ioWriteBytes)}`,
    of(String(usage?.pids ?? 0n), limits?.pids, String),
    usage === undefined || usage.pidsPeak === 0n ? "-" : String(usage.pidsPeak),
  ];
}

function size(bytes: bigint | undefined): string {
  return formatSize(Number(bytes ?? 0n));
}

/** Percent of the last 10 s in which some process of it waited. */
function pressure(usage: Usage | undefined): string {
  const all = [usage?.cpuPressure, usage?.memoryPressure, usage?.ioPressure];
  return all.map((one) => (one === undefined ? "-" : `${Math.round(one.somePercent)}%`)).join("/");
}
