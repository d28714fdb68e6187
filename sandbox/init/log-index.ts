// When a job wrote what, and in which order to stdout and stderr: `log-index` of the job folder, binary, little endian.
//
//   24 bytes head | record | record | …      record: u64 milliseconds since the epoch | u64 bytes of stdout | u64 of stderr
//
// A record says how far the streams had grown by that time. Any of them can be left out: the index is coarser then, and not
// wrong. So a burst shares a record, and when the file is full every second one goes. Readers may look at any time: the last
// record grows in place, and a thinned index takes the file's name by rename. An index that cannot be written is removed.
import { readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { logIndexFormat } from "../spec.ts";
import { close, O_WRONLY, open, writeAt } from "../sys/descriptors.ts";

import { openNew } from "./new-file.ts";

const { head, recordBytes, mostRecords } = logIndexFormat;
/** Within this time one stream alone keeps to one record. */
const burstMs = 10;
const stdoutGrew = 1;
const stderrGrew = 2;

export class LogIndex {
  readonly #path: string;
  readonly #record = Buffer.alloc(recordBytes);
  readonly #mostRecords: number;
  #fd: number;
  #count = 0;
  /** Of the last record: its time, how far the streams were, and which of them grew in it. */
  #timeMs = 0;
  #stdout = 0;
  #stderr = 0;
  #grew = 0;
  /** Records are at least so far apart; doubled each time the index is thinned. */
  #spacingMs = 0;

  private constructor(path: string, mostRecords: number) {
    this.#path = path;
    this.#mostRecords = mostRecords;
    this.#fd = openNew(path);
    writeAt(this.#fd, Buffer.from(head), 0);
  }

  /** null: there is no room for one. */
  static open(folder: string, capacity: number = mostRecords): LogIndex | null {
    const path = `${folder}/log-index`;
    try {
      return new LogIndex(path, capacity);
    } catch {
      removeEmpty(path);
      return null;
    }
  }

  /** How far the streams are now. */
  note(stdout: number, stderr: number): void {
    const grew = (stdout > this.#stdout ? stdoutGrew : 0) | (stderr > this.#stderr ? stderrGrew : 0);
    if (grew === 0 || this.#fd < 0) return;
    try {
      this.#place(grew, Math.max(Date.now(), this.#timeMs)); // the clock may step back, the index does not
      this.#stdout = stdout;
      this.#stderr = stderr;
      this.#write();
    } catch {
      this.#giveUp();
    }
  }

  /** A record of its own, unless it belongs to the burst of the last one. */
  #place(grew: number, nowMs: number): void {
    const sameStream = grew === this.#grew && grew !== (stdoutGrew | stderrGrew);
    const apartMs = sameStream ? Math.max(burstMs, this.#spacingMs) : this.#spacingMs;
    if (this.#count > 0 && nowMs - this.#timeMs < apartMs) {
      this.#grew |= grew;
      return;
    }
    if (this.#count >= this.#mostRecords) this.#thin();
    this.#count++;
    this.#timeMs = nowMs;
    this.#grew = grew;
  }

  #write(): void {
    for (const [i, value] of [this.#timeMs, this.#stdout, this.#stderr].entries()) {
      this.#record.writeUInt32LE(value % 2 ** 32, i * 8);
      this.#record.writeUInt32LE(Math.floor(value / 2 ** 32), i * 8 + 4);
    }
    writeAt(this.#fd, this.#record, head.length + (this.#count - 1) * recordBytes);
  }

  /** Of each two records the later stays. */
  #thin(): void {
    const all = readFileSync(this.#path);
    const kept = Math.floor(this.#count / 2);
    const thinned = Buffer.alloc(head.length + kept * recordBytes);
    all.copy(thinned, 0, 0, head.length);
    for (let i = 0; i < kept; i++) {
      const from = head.length + (2 * i + 1) * recordBytes;
      all.copy(thinned, head.length + i * recordBytes, from, from + recordBytes);
    }
    writeFileSync(`${this.#path}.next`, thinned, { mode: 0o600 });
    renameSync(`${this.#path}.next`, this.#path);
    close(this.#fd);
    this.#fd = -1;
    this.#fd = open(this.#path, O_WRONLY);
    this.#count = kept;
    this.#spacingMs = Math.max(1, 2 * this.#spacingMs);
  }

  /** A full disk: readers then take the streams as they are. */
  #giveUp(): void {
    this.close();
    for (const path of [this.#path, `${this.#path}.next`]) {
      try {
        unlinkSync(path);
      } catch {
        // it was not made
      }
    }
  }

  close(): void {
    if (this.#fd >= 0) close(this.#fd);
    this.#fd = -1;
  }
}

/** An index that was made ahead, empty, would promise what never comes. */
function removeEmpty(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // there is none
  }
}
