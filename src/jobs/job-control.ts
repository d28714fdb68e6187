import type { TerminalSize } from "../../sandbox/spec.ts";

/** A job's supervisor as the host sees it. */
export interface Supervisor {
  /**
   * Looks whether somebody on the host has stopped it (SIGSTOP, a debugger), so that it does nothing it is told: how many looks
   * in a row have found it so, and that it has not run between.
   */
  look(): number;
  /** SIGKILL, which reaches a stopped process too; the kernel then kills all of the job. */
  kill(): void;
}

/** A live connection to a job's supervisor. */
export interface JobControl {
  readonly supervisor: Supervisor;
  signal(signal: number): void;
  stop(request: { signal: number; graceMs: number; by: string }): void;
  /** Resolves when the supervisor's socket has taken the bytes. */
  input(bytes: Buffer): Promise<void>;
  inputEnd(): void;
  /** Ends the job so many milliseconds after its start; 0 = never. */
  timeout(milliseconds: number): void;
  resize(size: TerminalSize): void;
  readonly closed: Promise<void>;
  close(): void;
}
