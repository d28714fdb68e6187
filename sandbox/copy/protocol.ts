// Files into and out of a running job, by a process of its own that enters the job and has its rights from then on:
//
//   server ── request: argv[2], JSON ──▶ copy process ── fork ──▶ its child, in the job's namespaces, group, ids and filter
//          ── tar bytes: its stdin ─────────────────────────────▶ unpacks (write)
//          ◀───────────────────────── frames: its stdout ──────── packs (read)
//
// It is a program of podium's own, freshly exec'd: it knows nothing of other jobs, loads and runs nothing of the job's root.
import type { Destination } from "../setup/join.ts";

export interface CopyRequest extends Destination {
  readonly user: { readonly uid: number; readonly gid: number };
  /** Where relative paths begin; absolute, in the job. */
  readonly cwd: string;
  /** SandboxSpec.seccomp */
  readonly seccomp: readonly string[];
  readonly action: ReadAction | WriteAction;
}

interface ReadAction {
  readonly kind: "read";
  readonly path: string;
}

interface WriteAction {
  readonly kind: "write";
  readonly path: string;
  /** What it is called where `path` is a folder; a byte string. */
  readonly name: string;
  /** Only what is in the top of the stream is meant. */
  readonly onlyContents: boolean;
  readonly maxBytes: number;
  readonly maxEntries: number;
}

/** Frames on stdout. After `done` or `failed` nothing comes. */
export const CopyFrame = { tar: 1, note: 2, done: 3, failed: 4 } as const;

export interface CopyDone {
  readonly bytes: number;
  readonly entries: number;
}

/** `kind`: `step` when the job could not be entered, else what is wrong with the path or the stream. */
export interface CopyFailed {
  readonly kind: "step" | "file" | "stream" | "too-much";
  /** The errno's name, or "". */
  readonly code: string;
  readonly message: string;
}
