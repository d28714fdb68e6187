// Frames on the socket `control` in the job folder. Whoever can open it (host root: the folder has mode 0700) may:
//
//   client ── signal {signal}                ──▶ init   one signal to the command
//          ── stop {signal, graceMs, by}     ──▶        that signal, after the grace SIGKILL to all of the job
//          ── input BYTES                    ──▶        to the command's stdin
//          ── inputEnd                       ──▶        stdin is at its end; of a terminal, the end-of-file key
//          ── resize {rows, columns}         ──▶        the new size of its terminal
//          ── timeout {milliseconds}         ──▶        the deadline from now on, counted from the start; 0 = none
//
// init answers nothing: the socket's end of file says that the job is over and its exit record written. A client that
// feeds stdin uses a connection of its own, since init reads no further there than the command's stdin has room.
import type { TerminalSize } from "../spec.ts";

export const ControlType = { signal: 1, stop: 2, input: 3, inputEnd: 4, resize: 5, timeout: 20 } as const;

export interface SignalMessage {
  readonly signal: number;
}

export interface StopMessage {
  readonly signal: number;
  readonly graceMs: number;
  /** Who asked, for the exit record. */
  readonly by: string;
}

export interface TimeoutMessage {
  readonly milliseconds: number;
}

export type ResizeMessage = TerminalSize;

/** Payload of one `input` frame at most; keeps the memory of init flat. */
export const maxInputBytes = 64 << 10;
