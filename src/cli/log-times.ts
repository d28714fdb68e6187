// `podium logs -t`: each line begins with its time.
import type { LogPiece, StreamName } from "../client/logs.ts";

const newline = 0x0a;
/** As wide as a time; where the index was lost to a full disk. */
const unknown = "-".padEnd("2026-11-26T13:00:00.000Z".length);

export class TimedLines {
  readonly #inLine: Record<StreamName, boolean> = { stdout: false, stderr: false };

  /** A line that comes in several pieces has the time of the first; one that begins in a gap has that of its rest. */
  of({ stream, bytes, gap, time }: LogPiece): Buffer {
    const mark = Buffer.from(`${time?.toISOString() ?? unknown} `);
    const parts: Buffer[] = [];
    if (gap > 0n && this.#inLine[stream]) parts.push(Buffer.from("\n"));
    if (gap > 0n) this.#inLine[stream] = false;
    for (let at = 0; at < bytes.length; ) {
      const end = bytes.indexOf(newline, at) + 1 || bytes.length;
      if (!this.#inLine[stream]) parts.push(mark);
      parts.push(bytes.subarray(at, end));
      this.#inLine[stream] = bytes[end - 1] !== newline;
      at = end;
    }
    return Buffer.concat(parts);
  }
}
