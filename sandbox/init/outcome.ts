// From what happened to what is told: one cause for each end (docs/contract.md).
import { constants } from "node:os";
import type { Cause, ExitRecord, SandboxSpec, Usage } from "../spec.ts";
import { exitOf, signalOf } from "../sys/process.ts";
import { formatDuration, formatSize } from "../units.ts";
import type { SetupFailure } from "../zygote/protocol.ts";

/** Why init itself ended the job; the first reason stays. */
export type Ending =
  | { readonly cause: "STOPPED"; readonly by: string }
  | { readonly cause: "TIMEOUT" }
  | { readonly cause: "OUTPUT_LIMIT"; readonly stream: string }
  /** init itself failed while the command ran. */
  | { readonly cause: "LOST"; readonly reason: string }
  | { readonly cause: "OOM" };

export interface End {
  /** Wait status of the command; null when it never ran. */
  readonly status: number | null;
  readonly failure: SetupFailure | null;
  readonly ending: Ending | null;
  readonly oomKills: number;
  /** The call for which a rule of the profile killed the command; "" when none did. */
  readonly forbiddenCall: string;
  /** What of the output could not be written, for example `stdout: ENOSPC`; "" when all was. */
  readonly outputFailure: string;
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  readonly usage: Usage;
  /** The limits that held at the end, where they are not those of the spec any more. */
  readonly timeoutMs?: number;
  readonly memoryLimitBytes?: number;
}

/** The usual name of each number: node:os lists SIGIOT after SIGABRT and SIGPOLL after SIGIO, which are the same. */
const signalNames = new Map<number, string>(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
);
const firstRealtime = 34;

/** `SIGTERM` for 15, `SIGRTMIN` for 34, `SIGRTMIN+2` for 36 (signal(7)); `SIG32` and `SIG33` are the C library's own. */
export function signalName(number: number): string {
  const known = signalNames.get(number);
  if (known !== undefined || number < firstRealtime) return known ?? `SIG${number}`;
  return number === firstRealtime ? "SIGRTMIN" : `SIGRTMIN+${number - firstRealtime}`;
}

export function exitRecord(spec: SandboxSpec, end: End): ExitRecord {
  const exitCode = end.status === null ? null : exitOf(end.status);
  const number = end.status === null ? null : signalOf(end.status);
  const signal = number === null ? null : signalName(number);
  const cause = causeOf(end, signal);
  return {
    cause,
    exitCode: cause === "START_FAILED" ? null : exitCode,
    signal: cause === "START_FAILED" ? null : signal,
    by: end.ending?.cause === "STOPPED" ? end.ending.by : "",
    message: messageOf(cause, spec, end, exitCode, signal) + outputNote(end),
    step: end.failure?.step ?? "",
    errno: end.failure?.errno ?? "",
    ...(cause === "SECCOMP" && end.forbiddenCall !== "" && { syscall: end.forbiddenCall }),
    startedAtMs: end.startedAtMs,
    finishedAtMs: end.finishedAtMs,
    usage: end.usage,
  };
}

function causeOf({ failure, ending, oomKills, forbiddenCall }: End, signal: string | null): Cause {
  if (failure !== null) return "START_FAILED";
  if (ending !== null) return ending.cause;
  if (oomKills > 0) return "OOM";
  if (signal === "SIGSYS" || (signal === "SIGKILL" && forbiddenCall !== "")) return "SECCOMP";
  return signal === null ? "EXITED" : "SIGNALED";
}

function messageOf(cause: Cause, spec: SandboxSpec, end: End, exitCode: number | null, signal: string | null): string {
  switch (cause) {
    case "START_FAILED":
      return end.failure?.message ?? "";
    case "OOM":
      return `out of memory (limit ${formatSize(end.memoryLimitBytes ?? spec.limits.memoryBytes)}, peak ${formatSize(end.usage.memoryPeakBytes)})`;
    case "TIMEOUT":
      return `ran longer than its timeout of ${formatDuration(end.timeoutMs ?? spec.timeoutMs)}`;
    case "OUTPUT_LIMIT":
      return `wrote more than its output limit of ${formatSize(spec.output.bytes)} to ${end.ending?.cause === "OUTPUT_LIMIT" ? end.ending.stream : ""}`;
    case "STOPPED":
      return `stopped by ${end.ending?.cause === "STOPPED" ? end.ending.by : ""}`;
    case "LOST":
      return `its supervisor failed: ${end.ending?.cause === "LOST" ? end.ending.reason : ""}`;
    case "SECCOMP":
      return forbiddenMessage(end);
    case "SIGNALED":
      return `ended by ${signal}`;
    default:
      return `exited with code ${exitCode}`;
  }
}

/** Filters that podium hears nothing from kill for one thing only. */
function forbiddenMessage({ forbiddenCall }: End): string {
  if (forbiddenCall !== "") return `called ${forbiddenCall}, for which its seccomp profile kills`;
  return "ended by SIGSYS: it made an i386 or x32 system call, or one that a filter of its own kills for";
}

function outputNote({ outputFailure }: End): string {
  return outputFailure === "" ? "" : `; its output was cut off (${outputFailure})`;
}

/** The job's state in words, as the file `state` has it. */
export function stateOf(record: ExitRecord): "COMPLETED" | "FAILED" {
  const finished = record.cause === "EXITED" || record.cause === "STOPPED";
  return finished && record.exitCode === 0 ? "COMPLETED" : "FAILED";
}
