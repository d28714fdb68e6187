// Reads one output stream of a job from any offset, and follows it to the end without polling: the kernel tells when the
// file has grown (inotify), the job tells when it is over.
import { type FSWatcher, watch } from "node:fs";
import { StreamFile, type StreamPiece } from "./stream-file.ts";

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
): AsyncGenerator<StreamPiece> {
  const bell = new Bell();
  const stream = { over: false };
  void ended.then(() => {
    stream.over = true;
    bell.ring();
  });
  await using file = await StreamFile.open(path, range.offset);
  const watcher = range.snapshot ? null : growthOf(path, bell);
  signal.addEventListener("abort", bell.ring);
  try {
    const end = range.snapshot ? await file.size() : Number.POSITIVE_INFINITY;
    while (!signal.aborted) {
      const over = stream.over || range.snapshot; // asked before reading: what is written later is read in the next round
      const piece = await file.read(Math.min(await file.size(), end), over);
      if (piece !== null) yield piece;
      else if (over) return;
      else await bell.wait();
    }
  } finally {
    watcher?.close();
    signal.removeEventListener("abort", bell.ring);
  }
}

function growthOf(path: string, bell: Bell): FSWatcher {
  const watcher = watch(path, bell.ring);
  watcher.on("error", bell.ring);
  return watcher;
}
