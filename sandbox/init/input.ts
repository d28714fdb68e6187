// The command's stdin: what control connections feed, written as the command reads it.
import { close, pipe, setNonBlocking, write } from "../sys/descriptors.ts";
import { POLLOUT, type PollSet } from "../sys/poll.ts";

export interface Input {
  /** False while the last piece waits for room: feed nothing more until then. */
  readonly ready: boolean;
  feed(bytes: Buffer): void;
  /** End of file for the command, after what is still pending. */
  end(): void;
  watch(set: PollSet): void;
  advance(set: PollSet): void;
  shut(): void;
}

export class PipeInput implements Input {
  /** The command's end; closed in init once the command has it. */
  readonly readEnd: number;
  readonly #writeEnd: number;
  #pending: Buffer | null = null;
  #endWanted = false;
  #open = true;
  #slot = -1;

  constructor() {
    // Only init's end is non-blocking: a command reads a stdin that waits.
    const ends = pipe();
    setNonBlocking(ends.write);
    this.readEnd = ends.read;
    this.#writeEnd = ends.write;
  }

  closeReadEnd(): void {
    close(this.readEnd);
  }

  get ready(): boolean {
    return this.#pending === null;
  }

  feed(bytes: Buffer): void {
    if (!this.#open || this.#endWanted) return;
    this.#pending = this.#pending === null ? Buffer.from(bytes) : Buffer.concat([this.#pending, bytes]);
    this.#push();
  }

  end(): void {
    this.#endWanted = true;
    this.#push();
  }

  watch(set: PollSet): void {
    this.#slot = this.#open && this.#pending !== null ? set.add(this.#writeEnd, POLLOUT) : -1;
  }

  advance(set: PollSet): void {
    if (this.#slot >= 0 && set.ready(this.#slot) !== 0) this.#push();
  }

  #push(): void {
    while (this.#open && this.#pending !== null) {
      const result = write(this.#writeEnd, this.#pending);
      if (result === "blocked") return;
      if (result === "closed") return this.shut();
      this.#pending = result.written === this.#pending.length ? null : this.#pending.subarray(result.written);
    }
    if (this.#endWanted) this.shut();
  }

  shut(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#pending = null;
    close(this.#writeEnd);
  }
}
