// The output streams of a job together: two, or the one of a terminal.
import type { OutputLimit } from "../spec.ts";
import type { PollSet } from "../sys/poll.ts";
import { LogFile } from "./log-file.ts";
import { LogIndex } from "./log-index.ts";
import { Output } from "./output.ts";
import type { Source } from "./source.ts";

const names = ["stdout", "stderr"] as const;

export class Outputs {
  /** stdout first. */
  readonly streams: readonly Output[];
  readonly #index: LogIndex | null;

  /** `index`: null where nothing is kept. */
  constructor(streams: readonly Output[], index: LogIndex | null) {
    this.streams = streams;
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
    this.#index?.note(stdout?.log.size ?? 0, stderr?.log.size ?? 0);
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
   * Nobody can write any more: what the sources hold goes to the files. Only a slow reader of a FIFO makes this wait, and only
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

/** Into a job folder in which `stdout` and `stderr` are, from sources in this order. */
export function outputsOf(folder: string, limit: OutputLimit, sources: readonly Source[]): Outputs {
  const streams = sources.map((source, i) => new Output(new LogFile(`${folder}/${names[i]}`, limit), source));
  return new Outputs(streams, streams.some(({ log }) => log.isFifo) ? null : LogIndex.open(folder));
}
