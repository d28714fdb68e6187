// Both output streams of a job together.
import type { OutputLimit } from "../spec.ts";
import type { PollSet } from "../sys/poll.ts";
import { LogFile } from "./log-file.ts";
import { LogIndex } from "./log-index.ts";
import { Output } from "./output.ts";

const names = ["stdout", "stderr"] as const;

export class Outputs {
  readonly streams: readonly [Output, Output];
  readonly #index: LogIndex | null;

  /** `index`: null where nothing is kept. */
  constructor(stdout: Output, stderr: Output, index: LogIndex | null) {
    this.streams = [stdout, stderr];
    this.#index = index;
  }

  watch(set: PollSet): void {
    for (const output of this.streams) output.watch(set);
  }

  advance(set: PollSet): void {
    for (const output of this.streams) output.advance(set);
    this.#note();
  }

  #note(): void {
    const [stdout, stderr] = this.streams;
    this.#index?.note(stdout.log.size, stderr.log.size);
  }

  /** The stream that has grown over its limit, or null. */
  get over(): string | null {
    const at = this.streams.findIndex(({ over }) => over);
    return names[at] ?? null;
  }

  /** What of the output could not be kept, for example `stdout: ENOSPC`; "" when all was. */
  get failure(): string {
    return this.streams.flatMap(({ failure }, i) => (failure === "" ? [] : [`${names[i]}: ${failure}`])).join(", ");
  }

  /**
   * Nobody can write any more: what the pipes hold goes to the files. Only a slow reader of a FIFO makes this wait, and only
   * until `owner` (a descriptor, or -1) hangs up.
   */
  drain(set: PollSet, owner: number): void {
    let left = this.streams.filter((output) => !output.drain());
    while (left.length > 0) {
      set.clear();
      const hangUp = set.add(owner, 0);
      for (const output of left) output.watch(set);
      set.wait(-1);
      if (set.ready(hangUp) !== 0) break;
      left = left.filter((output) => !output.drain());
    }
    for (const output of this.streams) output.shut();
    this.#note();
    this.#index?.close();
  }
}

/** From these pipes into a job folder in which `stdout` and `stderr` are. */
export function outputsOf(folder: string, limit: OutputLimit, readEnds: readonly [number, number]): Outputs {
  const stdout = new Output(new LogFile(`${folder}/stdout`, limit), readEnds[0]);
  const stderr = new Output(new LogFile(`${folder}/stderr`, limit), readEnds[1]);
  return new Outputs(stdout, stderr, stdout.log.isFifo ? null : LogIndex.open(folder));
}
