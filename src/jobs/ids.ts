// Job ids: from 1, never used twice in one DATA, whatever was removed and however the server ended.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { diskThread } from "./disk/thread.ts";
import { DataError } from "./errors.ts";

/** So many ids are reserved on disk at a time: after a crash the unused rest of a block is skipped, never reused. */
const block = 64;

export class JobIds {
  readonly #file: string;
  #next: number;
  #reserved: number;
  #ahead: Promise<void> | null = null;
  #closed = false;

  /** `highestSeen`: the highest id of a job folder that is there. */
  constructor(file: string, highestSeen: number) {
    this.#file = file;
    this.#reserved = Math.max(readReserved(file), highestSeen);
    this.#next = this.#reserved + 1;
  }

  /** The next id; durable before it is given out. */
  take(): number {
    if (this.#next > this.#reserved) this.#reserve(this.#next + block - 1);
    const id = this.#next++;
    if (this.#reserved - id <= block / 2) this.#ahead ??= this.#reserveAhead().finally(() => (this.#ahead = null));
    return id;
  }

  /** An orderly end gives back what was not used; where the disk has no room for that, it is skipped. */
  close(): void {
    this.#closed = true;
    try {
      this.#reserve(this.#next - 1);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    }
  }

  #reserve(upTo: number): void {
    const temporary = `${this.#file}.next`;
    writeFileSync(temporary, textOf(upTo), { mode: 0o600, flush: true });
    renameSync(temporary, this.#file);
    syncFolder(dirname(this.#file));
    this.#reserved = upTo;
  }

  /** The next block, before it is needed, so that no Start waits for the disk. Where it fails, the Start that needs it will say why. */
  async #reserveAhead(): Promise<void> {
    const upTo = this.#reserved + block;
    const temporary = `${this.#file}.ahead`;
    try {
      await diskThread.perform({ write: temporary, text: textOf(upTo) });
      if (this.#closed || this.#reserved >= upTo) return rmSync(temporary);
      renameSync(temporary, this.#file);
      await diskThread.perform({ sync: [dirname(this.#file)] });
      if (!this.#closed) this.#reserved = Math.max(this.#reserved, upTo);
    } catch {}
  }
}

function textOf(reserved: number): string {
  return `${reserved}\n`;
}

/** Else a power cut could bring the old file back. */
function syncFolder(path: string): void {
  const fd = openSync(path, "r");
  fsyncSync(fd);
  closeSync(fd);
}

/** 0: no job has ever been. Throws on a file that says nothing: to begin again would use ids twice. */
function readReserved(file: string): number {
  try {
    const text = readFileSync(file, "utf8");
    if (/^\d{1,15}\n$/.test(text)) return Number(text);
    throw new DataError(`${file}: is not the number of the last job`, "write the highest id ever given into it");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}
