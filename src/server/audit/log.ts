// The audit log of a DATA, one line per call that was allowed or refused. A line is written when the decision falls and
// before the client hears of it, so that not even SIGKILL takes one away; the disk is told to keep it within a second.
import { closeSync, fdatasync, fdatasyncSync, ftruncateSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { DataError } from "../../jobs/errors.ts";
import { fileName, fileNumbers, firstSeq, readHead, writeHead, writeHeadSoon } from "./files.ts";
import { type AuditEntry, type AuditRecord, type ChainEnd, encodeLine, hashOf, noteEntry } from "./line.ts";
import { endOfFile, noteOfLoss } from "./recovery.ts";

export interface AuditBounds {
  /** Bytes of one file, from which on the next is begun. */
  readonly fileBytes: number;
  /** Files that are kept. */
  readonly files: number;
}

interface Log {
  error(fields: object, message: string): void;
  info(fields: object, message: string): void;
}

interface Kept {
  readonly time: Date;
  readonly entry: AuditEntry & Partial<AuditRecord>;
}

/** Lines that wait in memory while the disk takes none. */
const keptLimit = 10_000;
const syncAfterMs = 500;
const retryAfterMs = 1_000;

export class AuditLog {
  readonly #folder: string;
  readonly #bounds: AuditBounds;
  readonly #log: Log;
  #number = 0;
  #descriptor = -1;
  #size = 0;
  #first = 1;
  #end: ChainEnd;
  /** Lines that could not be written yet, oldest first, and how many there was no room for in memory either. */
  #kept: Kept[] = [];
  #dropped = 0;
  #failure: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #syncing: Promise<void> = Promise.resolve();
  /** Heads that were written while nothing else was done: one that was begun before is not to replace them. */
  #heads = 0;

  /** Opens or begins the log; goes on after a crash, with a line that says so. Throws DataError. */
  static open(folder: string, bounds: AuditBounds, log: Log): AuditLog {
    try {
      return new AuditLog(folder, bounds, log);
    } catch (error) {
      throw new DataError(
        `${folder}: the audit log cannot be opened: ${(error as Error).message}`,
        "podium runs nothing that it cannot write down: make room, or mend the folder",
      );
    }
  }

  private constructor(folder: string, bounds: AuditBounds, log: Log) {
    this.#folder = folder;
    this.#bounds = bounds;
    this.#log = log;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const head = readHead(folder);
    const numbers = fileNumbers(folder);
    const found = endOfFile(folder, numbers);
    this.#end = found.end;
    this.#first = firstSeq(folder, numbers[0] ?? 0) ?? head?.first ?? 1;
    this.#openFile(numbers.at(-1) ?? 1, found.size);
    const note = noteOfLoss(found, head, numbers.length > 0);
    if (note !== null) {
      log.error({ reason: note.reason }, "audit log");
      this.#end = { ...this.#end, seq: Math.max(this.#end.seq, head?.seq ?? 0) };
      this.write({ ...noteEntry(note.reason), ...note });
    }
    this.#writeHead();
  }

  /** Never throws: what the disk does not take is kept in memory, and `failure` says why. */
  write(entry: AuditEntry & Partial<AuditRecord>, time = new Date()): void {
    if (this.#kept.length > 0) this.#keep({ entry, time });
    else if (!this.#attempt(entry, time)) this.#keep({ entry, time });
  }

  /** The last line's number and hash, for the server's log: a second place that knows how far the chain went. */
  get last(): { readonly line: number; readonly hash: string } {
    return { line: this.#end.seq, hash: this.#end.hash };
  }

  /** Why lines cannot be written now, after having tried once more; null when they can. */
  failure(): string | null {
    if (this.#failure !== null) this.#retry();
    return this.#failure;
  }

  /** Writes what is kept, as far as it goes, and ends. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#syncing;
    this.#retry();
    fdatasyncSync(this.#descriptor);
    this.#writeHead();
    closeSync(this.#descriptor);
    if (this.#kept.length > 0) this.#log.error({ lines: this.#kept.length }, "audit lines are lost");
  }

  #attempt(entry: AuditEntry & Partial<AuditRecord>, time: Date): boolean {
    try {
      this.#append(encodeLine(this.#end, time, entry));
      if (this.#failure !== null) this.#log.info({}, "the audit log can be written again");
      this.#failure = null;
      this.#later(syncAfterMs);
      return true;
    } catch (error) {
      const { message } = error as Error;
      if (this.#failure === null) this.#log.error({ error: message }, "the audit log cannot be written");
      this.#failure = message;
      this.#later(retryAfterMs);
      return false;
    }
  }

  #append(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    if (this.#size > 0 && this.#size + bytes.length > this.#bounds.fileBytes) this.#rotate();
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#descriptor, bytes, done);
    } catch (error) {
      ftruncateSync(this.#descriptor, this.#size); // a part of a line that never was one
      throw error;
    }
    this.#size += bytes.length;
    this.#end = { seq: this.#end.seq + 1, hash: hashOf(line) };
  }

  #rotate(): void {
    fdatasyncSync(this.#descriptor);
    const before = this.#descriptor;
    this.#openFile(this.#number + 1, 0);
    closeSync(before);
    this.#log.info({ file: fileName(this.#number), line: this.#end.seq, hash: this.#end.hash }, "audit log rotated");
    const numbers = fileNumbers(this.#folder);
    const kept = numbers.slice(-this.#bounds.files);
    // The new beginning first: a crash between the two leaves lines too many, not too few.
    this.#first = firstSeq(this.#folder, kept[0] ?? 0) ?? this.#end.seq + 1;
    this.#writeHead();
    for (const number of numbers.slice(0, -this.#bounds.files)) rmSync(join(this.#folder, fileName(number)));
  }

  #openFile(number: number, size: number): void {
    this.#descriptor = openSync(join(this.#folder, fileName(number)), "a", 0o600);
    ftruncateSync(this.#descriptor, size); // a torn last line: its text goes into the line that tells of it
    this.#number = number;
    this.#size = size;
  }

  #keep(kept: Kept): void {
    if (this.#kept.length < keptLimit) this.#kept.push(kept);
    else this.#dropped++;
  }

  #retry(): void {
    const waiting = this.#kept;
    let done = 0;
    for (const { entry, time } of waiting) {
      if (!this.#attempt(entry, time)) break;
      done++;
    }
    this.#kept = waiting.slice(done);
    if (this.#kept.length > 0 || this.#dropped === 0) return;
    const note = noteEntry(`${this.#dropped} lines could not be written and are not here: the disk took none`);
    if (this.#attempt(note, new Date())) this.#dropped = 0;
  }

  #later(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      if (this.#failure !== null) this.#retry();
      else this.#syncing = this.#syncing.then(() => this.#sync());
    }, ms).unref();
  }

  async #sync(): Promise<void> {
    const [end, heads] = [this.#end, this.#heads];
    try {
      await promisify(fdatasync)(this.#descriptor);
      await writeHeadSoon(this.#folder, { first: this.#first, ...end }, () => this.#heads === heads);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EBADF") return; // rotated away meanwhile, and synced by that
      this.#log.error({ error: (error as Error).message }, "the audit log cannot be synced");
    }
  }

  /** A full disk must not keep the server from starting, or a rotation from making room. */
  #writeHead(): void {
    this.#heads++;
    try {
      writeHead(this.#folder, { first: this.#first, ...this.#end });
    } catch (error) {
      this.#log.error({ error: (error as Error).message }, "the head of the audit log cannot be written");
    }
  }
}
