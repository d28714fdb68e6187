// Job ids: from 1, never used twice in one DATA, whatever was removed and however the server ended.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";

/** So many ids are reserved on disk at a time: after a crash the unused rest of a block is skipped, never reused. */
const block = 64;

export class JobIds {
  readonly #file: string;
  #next: number;
  #reserved: number;

  /** `highestSeen`: the highest id of a job folder that is there. */
  constructor(file: string, highestSeen: number) {
    this.#file = file;
    this.#reserved = Math.max(readReserved(file), highestSeen);
    this.#next = this.#reserved + 1;
  }

  /** The next id; durable before it is given out. */
  take(): number {
    if (this.#next > this.#reserved) this.#reserve(this.#next + block - 1);
    return this.#next++;
  }

  /** An orderly end gives back what was not used. */
  close(): void {
    this.#reserve(this.#next - 1);
  }

  #reserve(upTo: number): void {
    const temporary = `${this.#file}.next`;
    const fd = openSync(temporary, "w", 0o600);
    writeSync(fd, `${upTo}\n`);
    fsyncSync(fd);
    closeSync(fd);
    renameSync(temporary, this.#file);
    this.#reserved = upTo;
  }
}

function readReserved(file: string): number {
  try {
    return Number(readFileSync(file, "utf8")) || 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}
