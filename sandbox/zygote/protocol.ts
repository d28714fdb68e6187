// Who says what on the socket between the server and the zygote (its descriptor 3):
//
//   server                         zygote                       init of job 7                command of job 7
//     │── configure ──────────────▶│ own namespaces, self-test
//     │◀───────────────── ready ───│
//     │── start {job 7} ──────────▶│── fork ─────────────────────▶│ group, pipes, control socket
//     │                            │ (next request)               │── fork ───────────────────▶│ set-up steps
//     │                            │                              │── release ────────────────▶│ no earlier than all is in place
//     │                            │                              │◀──── step failed, or exec ─│ exec
//     │◀───────────────────────────────────────── started | failed│ poll loop …
//     │◀───────────────────────────────────────────────── ended ──│ has written exit.json and state
//     │                            │◀── exits ────────────────────│
//     │◀── gone {job 7} ───────────│
//
// init answers on the same socket as the zygote: one frame in one write of a stream socket is never torn.
// End of file on the socket ends the zygote; running jobs do not notice. Then the job folder tells how they ended.
import type { CgroupPlan } from "../cgroup/group.ts";
import type { IdRanges } from "../id-ranges.ts";
import type { SandboxSpec } from "../spec.ts";

export const MessageType = {
  configure: 1,
  start: 2,
  ready: 3,
  started: 4,
  failed: 5,
  gone: 6,
  unfit: 7,
  ended: 8,
} as const;

export interface ConfigureMessage {
  readonly cgroup: CgroupPlan;
  /** An empty folder of DATA on which each job builds its root, in a mount namespace of its own. */
  readonly stage: string;
  /** File whose bytes are locked by the jobs that use the id range of that number (user-namespaces.ts). */
  readonly idLocks: string;
  /** Absent: the usual ones (id-ranges.ts). */
  readonly ids?: IdRanges;
  /** True: many jobs will come, so that it pays to get ready for them while nobody waits (rehearsal.ts). */
  readonly rehearse?: boolean;
  /** Most jobs that wait ready-made at a time (ready-jobs.ts). Default 0: none. */
  readonly readyJobs?: number;
  /** The program that most jobs have among their filters: their requests say `usualFilter` for it, a tenth as long so. */
  readonly usualFilter?: string;
}

/** In SandboxSpec.seccomp on this socket: the program of the configuration. */
export const usualFilter = "usual";

export interface StartMessage {
  readonly job: string;
  /** Absolute path of the job folder; it exists, with `stdout` and `stderr` in it (files, or FIFOs that somebody reads). */
  readonly folder: string;
  readonly spec: SandboxSpec;
  /** Whole disks (`major:minor`) that the io limit applies to. */
  readonly disks: readonly string[];
  /** True: the job ends when the server's end of this socket closes (`podium sandbox`). */
  readonly bound: boolean;
}

/** Its self-test has passed. */
export interface ReadyMessage {
  readonly pid: number;
  /** False: it could not go through the set-up of a job (rehearsal.ts). Jobs will fail too, and sandbox/requirements can say why. */
  readonly sound: boolean;
}

/** The kernel or libc does not let a forked Node live: nothing can be started here. */
export interface UnfitMessage {
  readonly reason: string;
}

export interface StartedMessage {
  readonly job: string;
  /** Pids as the host sees them. */
  readonly pid: number;
  readonly initPid: number;
  readonly startedAtMs: number;
  /** Name of its control group. */
  readonly group: string;
}

/** What crosses a fork when a step of the set-up fails. */
export interface SetupFailure {
  readonly step: string;
  /** The errno's name, for example ENOENT; "" when it was no system call. */
  readonly errno: string;
  readonly message: string;
}

export interface FailedMessage extends SetupFailure {
  readonly job: string;
}

/** Nothing of the job is left but its init and an empty control group, and its outcome is written. */
export interface EndedMessage {
  readonly job: string;
}

/** init has been reaped; when it neither answered nor left an exit record, it was killed. */
export interface GoneMessage {
  readonly job: string;
  /** Name of its control group, which is left over when init was killed. */
  readonly group: string;
}
