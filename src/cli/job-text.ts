// A job as `status` and `ps` print it for people.
import { formatDuration, formatSize } from "../../sandbox/units.ts";
import type { JobInfo, Outcome, Usage } from "../gen/podium.ts";
import { columns } from "./output.ts";
import { printable, shellWords } from "./printable.ts";
import { ago, localTime, shortDuration } from "./time.ts";

/** `podium status`: one line for each thing there is to tell. */
export function jobLines(job: JobInfo, now: Date): string[] {
  const rows = [
    ["id", String(job.id)],
    ["name", job.name],
    ["user", job.user],
    ["labels", labelText(job.labels)],
    ["state", stateOf(job, now)],
    ["outcome", job.outcome === undefined ? "" : `${job.outcome.cause}: ${job.outcome.message}`],
    ["command", shellWords(job.command)],
    ["capabilities", job.capabilities.join(" ")],
    ["created", timeOf(job.createdAt, now)],
    ["started", timeOf(job.startedAt, now)],
    ["finished", timeOf(job.finishedAt, now)],
    ["network", networkOf(job)],
    ...resources(job),
  ];
  return columns(rows.filter(([, value]) => value !== "").map((row) => row.map(printable)));
}

function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => (value === "" ? key : `${key}=${value}`))
    .join(", ");
}

function stateOf({ state, startedAt }: JobInfo, now: Date): string {
  if (state !== "RUNNING" || startedAt === undefined) return state;
  return `${state} for ${shortDuration(now.getTime() - startedAt.getTime())}`;
}

function timeOf(date: Date | undefined, now: Date): string {
  return date === undefined ? "" : `${localTime(date)} (${ago(date, now)})`;
}

function networkOf({ network }: JobInfo): string {
  if (network === undefined) return "";
  if (network.mode !== "NETWORK_MODE_BRIDGE") return "none";
  const published = network.publish.length === 0 ? "" : `, published ${network.publish.join(", ")}`;
  return `${network.addresses.join(" ")}${published}`;
}

function resources({ limits, usage, outcome }: JobInfo): string[][] {
  if (limits === undefined || usage === undefined) return [];
  const live = outcome === undefined;
  const memory = `${live ? `${size(usage.memoryBytes)} now, ` : ""}${size(usage.memoryPeakBytes)} at most`;
  const limit = (value: number | bigint, text: string): string => (Number(value) === 0 ? "no limit" : `limit ${text}`);
  return [
    ["cpu", `${usage.cpuSeconds.toFixed(2)}s used, ${limit(limits.cpus, `${limits.cpus} cores`)}`],
    ["memory", `${memory}, ${limit(limits.memoryBytes, size(limits.memoryBytes))}`],
    ["io", `${ioText(usage)}, ${limit(limits.ioBytesPerSecond, `${size(limits.ioBytesPerSecond)} per second`)}`],
    ["pids", `${pidsText(usage, live)}${limit(limits.pids, String(limits.pids))}`],
    [
      "output",
      limit(
        limits.outputBytes,
        `${size(limits.outputBytes)} a stream, ${limits.outputKill ? "then it ends" : "head and tail"}`,
      ),
    ],
    ["timeout", limits.timeoutMs === 0n ? "none" : formatDuration(Number(limits.timeoutMs))],
  ];
}

function ioText({ ioReadBytes, ioWriteBytes }: Usage): string {
  return `${size(ioReadBytes)} read, ${size(ioWriteBytes)} written`;
}

function pidsText({ pids, pidsPeak }: Usage, live: boolean): string {
  return `${live ? `${pids} now, ` : ""}${pidsPeak === 0n ? "" : `${pidsPeak} at most, `}`;
}

function size(bytes: bigint): string {
  return formatSize(Number(bytes));
}

/** `podium ps`: a head and one line for each job. Commands are cut at `width` characters of the whole line. */
export function jobTable(jobs: readonly JobInfo[], now: Date, width = Number.POSITIVE_INFINITY): string[] {
  const head = ["ID", "NAME", "USER", "STATE", "CREATED", "COMMAND"];
  const rows = jobs.map((job) => [
    String(job.id),
    job.name,
    job.user,
    job.outcome === undefined ? job.state : `${job.state} (${shortOutcome(job.outcome)})`,
    job.createdAt === undefined ? "" : ago(job.createdAt, now),
    shellWords(job.command),
  ]);
  return columns([head, ...rows].map((row) => row.map(printable))).map((line) => cut(line, width));
}

function shortOutcome({ cause, exitCode }: Outcome): string {
  return cause === "EXITED" ? `exit ${exitCode}` : cause;
}

function cut(line: string, width: number): string {
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}
