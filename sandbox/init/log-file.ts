// Where one output of a job goes: a file of the job folder, or a FIFO that somebody reads. Whoever moves bytes there, out of
// a pipe or out of a terminal, asks `room` before and calls `wrote` after; this keeps the limit on output.
//
//   stdout      ██████████ head ██████████░░░░░░░░ gap, freed on disk ░░░░░░░░██████████ tail ██████████
//   stdout.gap  "<first byte of the gap> <first byte after it> <the same again>"
//
// A byte keeps its offset for ever. The gap is written down before the bytes are freed, and readers look at it after they
// have read: what they took for output can then not have been zeros of the hole.
import type { OutputLimit } from "../spec.ts";
import {
  close,
  O_CREAT,
  O_NONBLOCK,
  O_TRUNC,
  O_WRONLY,
  open,
  punchHole,
  syncData,
  writeAt,
} from "../sys/descriptors.ts";
import { SyscallError } from "../sys/errors.ts";
import { describe } from "../sys/files.ts";

/** Bytes are freed in steps of a quarter of the limit, within these bounds. */
const smallestStep = 256 << 10;
const largestStep = 16 << 20;
/** At least a block of any file system: a block that two steps share is freed by the second. */
const blockBytes = 64 << 10;
const numberWidth = 16;

export class LogFile {
  /** To write to, at its own position. Not opened O_APPEND, which splice(2) refuses. */
  readonly fd: number;
  readonly isFifo: boolean;
  readonly #gapPath: string;
  readonly #limit: OutputLimit;
  readonly #head: number;
  readonly #step: number;
  #size = 0;
  #gapEnd: number;
  #gapFd = -1;
  /**
   * Why the middle cannot be freed, for example EOPNOTSUPP of a file system without holes; "" while it can. The limit holds
   * all the same, as one that ends the job.
   */
  failure = "";

  /** `path` exists. A limit of 0 bytes is none. */
  constructor(path: string, limit: OutputLimit) {
    this.fd = open(path, O_WRONLY | O_NONBLOCK);
    this.isFifo = describe(this.fd).kind === "fifo";
    this.#gapPath = `${path}.gap`;
    this.#limit = limit;
    this.#head = Math.floor(limit.bytes / 2);
    this.#gapEnd = this.#head;
    this.#step = Math.min(Math.max(limit.bytes / 4, smallestStep), largestStep);
  }

  /** Bytes that were written so far. */
  get size(): number {
    return this.#size;
  }

  /** Bytes that may be written next; 0: one more is over the limit and ends the job. */
  get room(): number {
    if (this.failure !== "") return 0;
    const { bytes, kill } = this.#limit;
    return kill && bytes > 0 ? bytes - this.#size : Number.POSITIVE_INFINITY;
  }

  wrote(bytes: number): void {
    this.#size += bytes;
    if (this.#excess >= this.#step) this.#free();
  }

  /** Nothing more will come. */
  close(): void {
    if (this.#excess > 0) this.#free();
    close(this.fd);
    if (this.#gapFd >= 0) close(this.#gapFd);
  }

  /** Bytes between head and tail that are not free yet. */
  get #excess(): number {
    const { bytes, kill } = this.#limit;
    if (bytes === 0 || kill || this.isFifo || this.failure !== "") return 0;
    return this.#size - (bytes - this.#head) - this.#gapEnd;
  }

  #free(): void {
    const end = this.#gapEnd + this.#excess;
    const from = Math.max(this.#head, this.#gapEnd - (this.#gapEnd % blockBytes));
    try {
      this.#record(end);
      this.#punch(from, end);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      this.failure = error.code;
    }
  }

  #punch(from: number, end: number): void {
    try {
      punchHole(this.fd, from, end);
      this.#gapEnd = end;
    } catch (error) {
      this.#record(this.#gapEnd); // nothing more was freed
      throw error;
    }
  }

  /** Of one length always, in place: a full disk has room for it, and a reader that sees half of it can tell. */
  #record(end: number): void {
    if (this.#gapFd < 0) this.#gapFd = open(this.#gapPath, O_WRONLY | O_CREAT | O_TRUNC, 0o600);
    const numbers = [this.#head, end, end].map((number) => String(number).padStart(numberWidth));
    writeAt(this.#gapFd, Buffer.from(`${numbers.join(" ")}\n`), 0);
    syncData(this.#gapFd); // a hole without its record would read as zeros after a power cut
  }
}
