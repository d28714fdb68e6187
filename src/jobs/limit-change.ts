// From the limits of a running job and what is to change to the limits that will hold.
import { limitOfFile } from "../../sandbox/controller-file.ts";
import { type JobRequest, limitsOf } from "../../sandbox/request.ts";
import type { ControllerFile, Limits } from "../../sandbox/spec.ts";
import type { JobMeta } from "./folder.ts";
import { applyPolicy, type Policy } from "./policy.ts";

/** Those that are set change; 0 and "" lift one as far as the bounds allow. */
export type LimitChange = Pick<
  JobRequest,
  | "cpus"
  | "memoryBytes"
  | "ioBytesPerSecond"
  | "pids"
  | "timeoutMs"
  | "cpuWeight"
  | "memoryHighBytes"
  | "ioOperationsPerSecond"
  | "cpuset"
  | "files"
>;

export interface ChangedLimits {
  readonly limits: Limits;
  readonly timeoutMs: number;
}

/** Throws InvalidRequest, NotAllowed or RequestError before anything has changed. */
export function changedLimits(meta: JobMeta, change: LimitChange, policy: Policy): ChangedLimits {
  const { defaults } = policy;
  // What a request gets that asks for nothing is not what a change asks for with 0.
  const none = { ...defaults, cpus: 0, memoryBytes: 0, ioBytesPerSecond: 0, pids: 0, timeoutMs: 0 };
  const asked: JobRequest = {
    argv: meta.command,
    ...meta.limits,
    timeoutMs: meta.timeoutMs,
    ...change,
    files: mergedFiles(meta.limits, change),
  };
  const allowed = applyPolicy(asked, { ...policy, defaults: none }, meta.user);
  return { limits: limitsOf(allowed), timeoutMs: allowed.timeoutMs ?? 0 };
}

/** A file takes the place of an earlier value of its own, and a limit that of a file that had set it. */
function mergedFiles(limits: Limits, change: LimitChange): ControllerFile[] {
  const fresh = change.files ?? [];
  const kept = (limits.files ?? []).filter((file) => {
    const found = limitOfFile(file, limits);
    const isReplaced = fresh.some((other) => subjectOf(other) === subjectOf(file));
    return !isReplaced && (found === null || change[found.limit] === undefined);
  });
  return [...kept, ...fresh];
}

/** Files of disks have a value for each: `io.max`, `blkio.throttle.read_bps_device`. */
function subjectOf({ file, value }: ControllerFile): string {
  const disk = /^\d+:\d+ /.exec(value)?.[0] ?? "";
  return `${file} ${disk}`;
}
