// One output stream of the job: from the command's pipe into the job folder's file. The job never holds that file.
import { fstatSync } from "node:fs";
import { close, O_NONBLOCK, O_WRONLY, open, pipe, splice } from "../sys/descriptors.ts";
import { SyscallError } from "../sys/errors.ts";
import { POLLIN, POLLOUT, type PollSet } from "../sys/poll.ts";

/** One wake-up moves at most this much, so that a flood does not delay the deadline or a signal. */
const sliceBytes = 1 << 20;

export class Output {
  /** The command's end; closed in init once the command has it. */
  readonly writeEnd: number;
  readonly #readEnd: number;
  readonly #target: number;
  readonly #targetIsFifo: boolean;
  #open = true;
  /** A FIFO whose reader is behind: wait for it, not for the command. */
  #blocked = false;
  #slot = -1;
  /** Why the rest of the stream could not be written, for example ENOSPC; "" while all is well. */
  failure = "";

  /** `path` exists: a file, or a FIFO that somebody has open for reading. O_APPEND would make splice fail. */
  constructor(path: string) {
    const ends = pipe();
    this.#readEnd = ends.read;
    this.writeEnd = ends.write;
    this.#target = open(path, O_WRONLY | O_NONBLOCK);
    this.#targetIsFifo = fstatSync(this.#target).isFIFO();
  }

  closeWriteEnd(): void {
    close(this.writeEnd);
  }

  watch(set: PollSet): void {
    if (!this.#open) this.#slot = -1;
    else if (this.#blocked) this.#slot = set.add(this.#target, POLLOUT);
    else this.#slot = set.add(this.#readEnd, POLLIN);
  }

  advance(set: PollSet): void {
    if (this.#slot >= 0 && set.ready(this.#slot) !== 0) this.#move();
  }

  /** Moves one slice. True when something moved. */
  #move(): boolean {
    const moved = this.#splice();
    if (moved === "blocked") {
      this.#blocked = this.#targetIsFifo && !this.#blocked;
      return false;
    }
    this.#blocked = false;
    if (moved === 0 || moved === "closed") this.shut();
    return moved !== 0 && moved !== "closed";
  }

  /** A target that cannot be written (a full disk) ends the stream, and the command hears of it as EPIPE; the job goes on. */
  #splice(): number | "blocked" | "closed" {
    try {
      return splice(this.#readEnd, this.#target, sliceBytes);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      this.failure = error.code;
      return "closed";
    }
  }

  /** What the pipe still holds once every writer is dead: file or FIFO gets it, then the stream is over. False: not yet. */
  drain(): boolean {
    while (this.#open && this.#move());
    return !this.#open;
  }

  /** The descriptor to wait for when `drain` says not yet: the slow reader of a FIFO. */
  get target(): number {
    return this.#target;
  }

  /** Closing the read end tells the command with EPIPE that nobody reads any more. */
  shut(): void {
    if (!this.#open) return;
    this.#open = false;
    close(this.#readEnd);
    close(this.#target);
  }
}
