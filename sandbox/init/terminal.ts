// A pseudoterminal of the job, from init's side (pty(7)): what its processes write is an output's source, what people type
// goes the other way. The command's process opens it inside the job and sends both sides up (setup/terminal.ts).
import type { TerminalSize } from "../spec.ts";
import { close, read, setNonBlocking, write } from "../sys/descriptors.ts";
import { SyscallError } from "../sys/errors.ts";
import { POLLOUT, type PollSet } from "../sys/poll.ts";
import { setTerminalSize } from "../sys/terminal.ts";
import type { Input } from "./input.ts";
import type { Source } from "./source.ts";

const chunkBytes = 64 << 10;
/** What a terminal takes for the end of a file at the beginning of a line (termios(3), VEOF). */
const endOfFile = Buffer.from([4]);

export class Terminal implements Source {
  readonly #chunk = Buffer.allocUnsafe(chunkBytes);
  #master = -1;
  /** Kept open: a terminal that the job has closed for a while is no end, and polling its master would not wait. */
  #slave = -1;
  #held: Buffer | null = null;
  /** What is typed; nobody types where it is null. */
  readonly input: TerminalInput | null;

  constructor(typing: boolean) {
    this.input = typing ? new TerminalInput() : null;
  }

  /** Both sides have come. */
  take(master: number, slave: number): void {
    setNonBlocking(master);
    this.#slave = slave;
    this.#master = master;
    this.input?.open(master);
  }

  get fd(): number {
    return this.#master;
  }

  get holding(): boolean {
    return this.#held !== null;
  }

  resize({ rows, columns }: TerminalSize): void {
    if (this.#master >= 0) setTerminalSize(this.#master, rows, columns);
  }

  /** By read and write: splice takes no terminal. */
  move(target: number, maxBytes: number): number | "blocked" | "closed" {
    const bytes = this.#held ?? this.#gather(maxBytes);
    if (bytes === "blocked" || bytes.length === 0) return bytes === "blocked" ? bytes : 0;
    this.#held = bytes;
    const result = write(target, bytes.subarray(0, maxBytes));
    if (typeof result === "string") return result;
    this.#held = result.written < bytes.length ? bytes.subarray(result.written) : null;
    return result.written;
  }

  /** As much as there is and fits, so that the log grows in few pieces; empty at the end. */
  #gather(maxBytes: number): Buffer | "blocked" {
    const room = this.#chunk.subarray(0, maxBytes);
    let length = 0;
    while (length < room.length) {
      const n = readMaster(this.#master, room.subarray(length));
      if (n === null && length === 0) return "blocked";
      if (n === null || n === 0) break;
      length += n;
    }
    return room.subarray(0, length);
  }

  read(into: Buffer): number | null {
    return readMaster(this.#master, into);
  }

  endOfWriters(): void {
    if (this.#slave >= 0) close(this.#slave);
    this.#slave = -1;
  }

  /** Hangs up: who still uses the terminal gets SIGHUP, and then end-of-file and EIO. */
  close(): void {
    this.input?.shut();
    this.endOfWriters();
    if (this.#master >= 0) close(this.#master);
    this.#master = -1;
  }
}

/** 0 also when nobody has the other side open any more (EIO), which comes after the last byte only. */
function readMaster(master: number, into: Buffer): number | null {
  if (master < 0) return 0;
  try {
    return read(master, into);
  } catch (error) {
    if (error instanceof SyscallError && error.code === "EIO") return 0;
    throw error;
  }
}

/** What people type, written as the terminal has room. */
class TerminalInput implements Input {
  #master = -1;
  #pending: Buffer | null = null;
  #slot = -1;

  open(master: number): void {
    this.#master = master;
    this.#push();
  }

  get ready(): boolean {
    return this.#pending === null;
  }

  feed(bytes: Buffer): void {
    this.#pending = this.#pending === null ? Buffer.from(bytes) : Buffer.concat([this.#pending, bytes]);
    this.#push();
  }

  /** A terminal has no end: its end-of-file key is typed. */
  end(): void {
    this.feed(endOfFile);
  }

  watch(set: PollSet): void {
    this.#slot = this.#pending === null ? -1 : set.add(this.#master, POLLOUT);
  }

  advance(set: PollSet): void {
    if (this.#slot >= 0 && set.ready(this.#slot) !== 0) this.#push();
  }

  #push(): void {
    while (this.#master >= 0 && this.#pending !== null) {
      const result = write(this.#master, this.#pending);
      if (result === "blocked") return;
      if (result === "closed" || result.written === this.#pending.length) this.#pending = null;
      else this.#pending = this.#pending.subarray(result.written);
    }
  }

  shut(): void {
    this.#master = -1;
    this.#pending = null;
  }
}
