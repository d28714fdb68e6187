// One output stream of a job on disk, given piece by piece: each of whole UTF-8 characters, gaps told and stepped over.
import { type FileHandle, open } from "node:fs/promises";
import { type LogGap, readGap } from "./log-gap.ts";
import { wholeCharacters } from "./utf8.ts";

/** One message carries at most this much. */
const pieceBytes = 64 * 1024;
/** So much is read at a time: a wait for the disk's thread, and two looks for a gap, for some messages. Each reader holds as much. */
const readBytes = 256 * 1024;
const longestTail = 3;
const nothing = Buffer.alloc(0);
const nothingRead: Read = { offset: 0, bytes: nothing, gapAt: Number.POSITIVE_INFINITY };

export interface StreamPiece {
  readonly offset: number;
  readonly bytes: Buffer;
  /** Bytes just before `offset` that are freed; 0 = none. */
  readonly gap: number;
}

/** Bytes of the file, all of them output: whether there was a gap was looked at after they had been read. */
interface Read {
  readonly offset: number;
  readonly bytes: Buffer;
  /** Where the next gap begins. */
  readonly gapAt: number;
}

export class StreamFile implements AsyncDisposable {
  readonly #path: string;
  readonly #file: FileHandle;
  #next: number;
  #read = nothingRead;
  /** What was read last is in it. */
  #memory = nothing;
  /** Stepped over and not told yet. */
  #gap = 0;

  private constructor(path: string, file: FileHandle, next: number) {
    this.#path = path;
    this.#file = file;
    this.#next = next;
  }

  static async open(path: string, offset: number): Promise<StreamFile> {
    return new StreamFile(path, await open(path, "r"), offset);
  }

  /** Where the next piece begins, unless a gap is there. */
  get next(): number {
    return this.#next;
  }

  async size(): Promise<number> {
    return (await this.#file.stat()).size;
  }

  /** Whether `read` gives what it read before, and the bytes of earlier pieces stay. A piece that is not whole is read again. */
  holds(to: number): boolean {
    const { offset, bytes, gapAt } = this.#read;
    const end = offset + bytes.length;
    return this.#next < Math.min(to, end) && end >= Math.min(to, gapAt, this.#next + pieceBytes);
  }

  /**
   * The next pieces that end at `to` or before, as many as one read gives; none when there are none (yet). Their bytes are in
   * memory that is used again by the next call, unless it `holds` what is asked for. `last`: nothing will follow `to`, so that a
   * character that is not whole there never will be, and a gap that ends there is told with no bytes after it. `known`: so far the
   * stream will be asked for soon, and may be read already.
   */
  async read(to: number, last: boolean, known = to): Promise<readonly StreamPiece[]> {
    while (this.#next < to && (this.holds(to) || (await this.#readOn(known)))) {
      const from = this.#next;
      const pieces = this.#piecesTo(to, last);
      if (pieces.length > 0 || this.#next === from) return pieces;
    }
    const gap = last ? this.#take(nothing) : null;
    return gap === null ? [] : [gap];
  }

  /** Keeps no memory of what was read. */
  forget(): void {
    this.#read = nothingRead;
    this.#memory = nothing;
  }

  /** Reads what comes next, steps over a gap; false when nothing is left of what is known. */
  async #readOn(known: number): Promise<boolean> {
    for (;;) {
      const before = readGap(this.#path);
      if (isIn(before, this.#next)) this.#skipTo(before.end);
      const end = Math.min(known, this.#next + readBytes, begins(before, this.#next));
      if (end <= this.#next) return false;
      const bytes = await this.#bytes(end - this.#next);
      const gap = readGap(this.#path); // what has been freed meanwhile may have been read as zeros
      if (isIn(gap, this.#next)) continue;
      const gapAt = begins(gap, this.#next);
      this.#read = { offset: this.#next, bytes: bytes.subarray(0, gapAt - this.#next), gapAt };
      return true;
    }
  }

  #piecesTo(to: number, last: boolean): StreamPiece[] {
    const { offset, bytes, gapAt } = this.#read;
    const pieces: StreamPiece[] = [];
    let from: number;
    do {
      from = this.#next;
      const held = bytes.subarray(from - offset, Math.max(from, Math.min(from + pieceBytes, to)) - offset);
      const piece = this.#pieceOf(held, gapAt - from, last && from + held.length === to);
      if (piece !== null) pieces.push(piece);
    } while (this.#next > from && this.holds(to));
    return pieces;
  }

  /** null: nothing of it is a whole character yet. `untilGap`: so many bytes from here a gap begins. */
  #pieceOf(bytes: Buffer, untilGap: number, last: boolean): StreamPiece | null {
    const kept = bytes.subarray(0, untilGap);
    const begun = this.#gap > 0 ? endOfCharacter(kept) : 0; // the rest of one that began in the gap
    this.#skipTo(this.#next + begun);
    const wanted = kept.subarray(begun);
    const whole = wholeCharacters(wanted);
    const cut = whole === 0 && last ? wanted.length : whole;
    const piece = cut === 0 ? null : this.#take(wanted.subarray(0, cut));
    if (kept.length === untilGap) this.#skipTo(this.#next + wanted.length - cut); // of one whose rest is gone
    return piece;
  }

  #skipTo(offset: number): void {
    this.#gap += offset - this.#next;
    this.#next = offset;
  }

  #take(bytes: Buffer): StreamPiece | null {
    if (bytes.length === 0 && this.#gap === 0) return null;
    const piece = { offset: this.#next, bytes, gap: this.#gap };
    this.#next += bytes.length;
    this.#gap = 0;
    return piece;
  }

  async #bytes(length: number): Promise<Buffer> {
    if (this.#memory.length < length) this.#memory = Buffer.allocUnsafe(length);
    const { bytesRead } = await this.#file.read(this.#memory, 0, length, this.#next);
    return this.#memory.subarray(0, bytesRead);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

function isIn(gap: LogGap | null, offset: number): gap is LogGap {
  return gap !== null && offset >= gap.start && offset < gap.end;
}

/** Where the next gap after `offset` begins. */
function begins(gap: LogGap | null, offset: number): number {
  return gap !== null && offset < gap.start ? gap.start : Number.POSITIVE_INFINITY;
}

/** Bytes at the beginning that belong to a character that began before. */
function endOfCharacter(bytes: Buffer): number {
  let length = 0;
  while (length < Math.min(longestTail, bytes.length) && ((bytes[length] as number) & 0xc0) === 0x80) length++;
  return length;
}
