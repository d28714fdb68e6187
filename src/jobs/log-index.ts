// Reads the index that init writes beside a job's output (sandbox/init/log-index.ts).
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { logIndexFormat } from "../../sandbox/spec.ts";
import type { StreamName } from "./folder.ts";

const { head, recordBytes } = logIndexFormat;

export const logIndexName = "log-index";

/** How far the streams had grown by a time (milliseconds since the epoch). */
export interface IndexRecord extends Readonly<Record<StreamName, number>> {
  readonly timeMs: number;
}

export class LogIndexReader implements Disposable {
  readonly #path: string;
  #fd = -1;
  /** Records taken so far, but for the last one, which may grow yet. */
  #settled = 0;

  constructor(folder: string) {
    this.#path = join(folder, logIndexName);
  }

  /** The records since the last call, the last one of that call once more. null: there is no index (any more). */
  take(): IndexRecord[] | null {
    if (this.#fd >= 0 && fstatSync(this.#fd).nlink === 0) this[Symbol.dispose](); // thinned, or given up
    if (this.#fd < 0 && !this.#open()) return null;
    const from = head.length + this.#settled * recordBytes;
    const count = Math.floor((fstatSync(this.#fd).size - from) / recordBytes);
    if (count <= 0) return [];
    const bytes = Buffer.allocUnsafe(count * recordBytes);
    const records = recordsOf(bytes.subarray(0, readSync(this.#fd, bytes, 0, bytes.length, from)));
    this.#settled += Math.max(0, records.length - 1);
    return records;
  }

  #open(): boolean {
    this.#settled = 0;
    try {
      this.#fd = openSync(this.#path, "r");
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}

function recordsOf(bytes: Buffer): IndexRecord[] {
  const number = (at: number) => bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
  return Array.from({ length: Math.floor(bytes.length / recordBytes) }, (_, i) => {
    const at = i * recordBytes;
    return { timeMs: number(at), stdout: number(at + 8), stderr: number(at + 16) };
  });
}

/** How far the streams of a job were just before `timeMs`; null: it has no index. */
export function progressBefore(folder: string, timeMs: number): Readonly<Record<StreamName, number>> | null {
  using index = new LogIndexReader(folder);
  const records = index.take();
  if (records === null) return null;
  return records.findLast((record) => record.timeMs < timeMs) ?? { stdout: 0, stderr: 0 };
}
