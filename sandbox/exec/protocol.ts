// A further command in a running job (`podium exec`), by a process of its own that stays outside and forks the command into it:
//
//   server ── stdin: frames, `request` first; its end kills the command ──▶ exec process ── fork ──▶ the command, in the job
//          ── descriptor 3: bytes for the command's stdin ────────────────▶              ── pipe or terminal ──▶
//          ◀─────────────────────────────────────── frames: its stdout ────              ◀── pipes or terminal ──
//
// It is a program of podium's own, freshly exec'd: what the command is forked from knows nothing of other jobs.
import type { Ids } from "../accounts.ts";
import type { Destination } from "../setup/join.ts";
import type { ProgramSpec } from "../spec.ts";
import type { UserName } from "../units.ts";

export interface ExecRequest extends Destination {
  readonly spec: ProgramSpec;
  /** The job brought a root of its own, and its passwd says where HOME is. */
  readonly ownRoot: boolean;
  /** In place of `spec.user`. */
  readonly named?: NamedUser;
}

/** A user whose ids the job's own files say. */
export interface NamedUser {
  readonly name: UserName;
  /** Who looks them up: the job's own user, with this filter (SandboxSpec.seccomp). */
  readonly as: Ids;
  readonly seccomp: readonly string[];
}

/** Frames on stdin. */
export const AskType = {
  /** ExecRequest as JSON. */
  request: 1,
  /** TerminalSize as JSON. */
  resize: 2,
  /** Its number, as JSON. */
  signal: 3,
} as const;

/** Frames on stdout. After `exited` or `failed` nothing comes. */
export const TellType = {
  started: 1,
  stdout: 2,
  stderr: 3,
  /** ExecEnd as JSON. */
  exited: 4,
  /** SetupFailure as JSON. */
  failed: 5,
} as const;

export interface ExecEnd {
  readonly exitCode: number | null;
  /** For example `SIGKILL`; null when the command exited by itself. */
  readonly signal: string | null;
}
