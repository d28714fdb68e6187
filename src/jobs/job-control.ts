import type { TerminalSize } from "../../sandbox/spec.ts";

/** A live connection to a job's supervisor. */
export interface JobControl {
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
