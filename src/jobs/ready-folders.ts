// Job folders made ahead of time. Making a file costs a journalled disk about as much as all else that the server does for a
// Start, so the files that every job has are there already, empty; a Start renames the folder into place and fills some.
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { diskThread } from "./disk/thread.ts";

/** A burst of more makes its folders itself. */
const most = 32;
/** Folders are made when no Start has taken one for so long: they would compete with its job for a processor. */
const quietMs = 40;
/** So few do not wait for that. */
const few = 8;
/** So many are asked of the disk thread in one message, which costs the loop as much as one. */
const atOnce = 4;

/**
 * Writes a whole file of a job folder, made ahead or not. One that is there is not cut first: ext4 sends a file that was
 * emptied and written again to the disk when it is closed, and whoever removes it waits for that.
 */
export function fillFile(path: string, text: string): void {
  const file = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
  try {
    writeFileSync(file, text);
    const length = Buffer.byteLength(text);
    if (fstatSync(file).size > length) ftruncateSync(file, length);
  } finally {
    closeSync(file);
  }
}

export class ReadyFolders {
  readonly #path: string;
  readonly #ready: string[] = [];
  #made = 0;
  #takenMs = performance.now();
  #filled: Promise<void> | null = null;
  readonly #closing = new AbortController();

  /** What the last server left in `path` goes. Without room for a folder, none is made ahead. */
  constructor(path: string) {
    this.#path = path;
    rmSync(path, { recursive: true, force: true });
    try {
      mkdirSync(path, { mode: 0o700 });
    } catch {
      return;
    }
    this.#refill();
  }

  /** Makes `folder` out of one that is ready; false when there is none. Throws when it cannot be renamed. */
  take(folder: string): boolean {
    const ready = this.#ready.pop();
    this.#takenMs = performance.now();
    this.#refill();
    if (ready === undefined) return false;
    try {
      renameSync(ready, folder);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      this.#ready.length = 0; // somebody has cleared them away
      if (existsSync(dirname(folder))) mkdirSync(this.#path, { recursive: true, mode: 0o700 });
      return false;
    }
  }

  #refill(): void {
    if (this.#closing.signal.aborted) return;
    this.#filled ??= this.#fill().finally(() => {
      this.#filled = null;
    });
  }

  /** Resolves when none is left, and none is being made. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#filled;
    rmSync(this.#path, { recursive: true, force: true });
  }

  /** A disk that takes no more files says so at Start, where somebody is told. */
  async #fill(): Promise<void> {
    do await this.#quiet();
    while (!this.#closing.signal.aborted && this.#ready.length < most && (await this.#make()));
  }

  async #quiet(): Promise<void> {
    for (;;) {
      const leftMs = this.#takenMs + quietMs - performance.now();
      if (leftMs <= 0 || (this.#made > 0 && this.#ready.length < few)) return;
      await setTimeout(leftMs, undefined, { ref: false, signal: this.#closing.signal }).catch(() => {});
      if (this.#closing.signal.aborted) return;
    }
  }

  /** False: they cannot be made. */
  async #make(): Promise<boolean> {
    const folders = Array.from({ length: Math.min(atOnce, most - this.#ready.length) }, () =>
      join(this.#path, String(++this.#made)),
    );
    try {
      await diskThread.perform({ make: folders });
      this.#ready.push(...folders);
      return true;
    } catch {
      return false;
    }
  }
}
