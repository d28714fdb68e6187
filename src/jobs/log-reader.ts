// Reads one output stream of a job from any offset, and follows it to the end without polling: the kernel tells when the
// file has grown (inotify), the job tells when it is over.
import { type FSWatcher, watch } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { wholeCharacters } from "./utf8.ts";

/** One message carries at most this much. */
const pieceBytes = 64 * 1024;

export interface LogPiece {
  readonly offset: number;
  readonly bytes: Buffer;
}

export interface LogRange {
  /** First byte wanted; beyond the present end, nothing comes until the file has grown past it. */
  readonly offset: number;
  /** True: stop at the present end. */
  readonly snapshot: boolean;
}

/** Wakes whoever waits, also when the wake-up came before the wait. */
class Bell {
  #rung = false;
  #wake: (() => void) | null = null;

  ring = (): void => {
    this.#rung = true;
    this.#wake?.();
  };

  async wait(): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#rung = false;
    this.#wake = null;
  }
}

/**
 * The pieces of `path` from an offset on, at most 64 KiB each, none ending inside a UTF-8 character unless the stream does.
 * `ended` resolves when nobody can write to the file any more. Stops early when `signal` is aborted.
 */
export async function* readLog(
  path: string,
  range: LogRange,
  ended: Promise<void>,
  signal: AbortSignal,
): AsyncGenerator<LogPiece> {
  const bell = new Bell();
  const stream = { over: false };
  void ended.then(() => {
    stream.over = true;
    bell.ring();
  });
  const file = await open(path, "r");
  const watcher = range.snapshot ? null : growthOf(path, bell);
  signal.addEventListener("abort", bell.ring);
  try {
    const end = range.snapshot ? (await file.stat()).size : Number.POSITIVE_INFINITY;
    let offset = range.offset;
    while (!signal.aborted) {
      const over = stream.over || range.snapshot; // asked before reading: what is written later is read in the next round
      const bytes = await readPiece(file, offset, end);
      // Nothing whole and nothing to come: the stream itself ends inside a character.
      const cut = wholeCharacters(bytes) || (over ? bytes.length : 0);
      if (cut > 0) yield { offset, bytes: bytes.subarray(0, cut) };
      else if (over) return;
      else await bell.wait();
      offset += cut;
    }
  } finally {
    watcher?.close();
    signal.removeEventListener("abort", bell.ring);
    await file.close();
  }
}

function growthOf(path: string, bell: Bell): FSWatcher {
  const watcher = watch(path, bell.ring);
  watcher.on("error", bell.ring);
  return watcher;
}

async function readPiece(file: FileHandle, offset: number, end: number): Promise<Buffer> {
  const { size } = await file.stat();
  const length = Math.min(pieceBytes, Math.max(0, Math.min(size, end) - offset));
  if (length === 0) return Buffer.alloc(0);
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(buffer, 0, length, offset);
  return buffer.subarray(0, bytesRead);
}
