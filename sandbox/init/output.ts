// One output stream of the job: from the command's pipe or terminal into a log file. The job never holds that file.
import { SyscallError } from "../sys/errors.ts";
import { POLLIN, POLLOUT, type PollSet } from "../sys/poll.ts";
import type { LogFile } from "./log-file.ts";
import type { Source } from "./source.ts";

/** One wake-up moves at most this much, so that a flood does not delay the deadline or a signal. */
const sliceBytes = 1 << 20;
const oneByte = Buffer.alloc(1);

export class Output {
  readonly log: LogFile;
  readonly #source: Source;
  #open = true;
  /** A FIFO whose reader is behind: wait for it, not for the command. */
  #blocked = false;
  #slot = -1;
  #failure = "";
  /** The command wrote more than its limit allows, which ends the job. */
  over = false;

  constructor(log: LogFile, source: Source) {
    this.#source = source;
    this.log = log;
  }

  /** Why not all of the stream could be kept, for example ENOSPC; "" while all is well. */
  get failure(): string {
    return this.#failure || this.log.failure;
  }

  watch(set: PollSet): void {
    if (!this.#open) this.#slot = -1;
    else if (this.#blocked || this.#source.holding) this.#slot = set.add(this.log.fd, POLLOUT);
    else this.#slot = set.add(this.#source.fd, POLLIN);
  }

  advance(set: PollSet): void {
    if (this.#slot >= 0 && set.ready(this.#slot) !== 0) this.#move();
  }

  /** Moves one slice. True when something moved. */
  #move(): boolean {
    const room = Math.min(sliceBytes, this.log.room);
    const moved = room > 0 ? this.#moveOrFail(room) : this.#lookBeyond();
    if (moved === "blocked") {
      this.#blocked = this.log.isFifo && room > 0 && !this.#blocked;
      return false;
    }
    this.#blocked = false;
    if (moved === 0 || moved === "closed") {
      this.shut();
      return false;
    }
    this.log.wrote(moved);
    return true;
  }

  /** A target that cannot be written (a full disk) ends the stream, and the command hears of it as EPIPE; the job goes on. */
  #moveOrFail(bytes: number): number | "blocked" | "closed" {
    try {
      return this.#source.move(this.log.fd, bytes);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      this.#failure = error.code;
      return "closed";
    }
  }

  /** Nothing more may be kept: is there more? */
  #lookBeyond(): "blocked" | "closed" {
    const n = this.#source.read(oneByte);
    if (n === null) return "blocked";
    this.over = n > 0;
    return "closed";
  }

  /**
   * What the source still holds once every process of the job is dead: file or FIFO gets it, then the stream is over, even if
   * somebody outside was handed the pipe's other end. False: the reader of a FIFO is behind.
   */
  drain(): boolean {
    this.#source.endOfWriters();
    while (this.#open && this.#move());
    if (this.#open && !this.log.isFifo) this.shut();
    return !this.#open;
  }

  /** The command hears that nobody reads any more. */
  shut(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#source.close();
    this.log.close();
  }
}
