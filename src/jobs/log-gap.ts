// The gap in a stream that has outgrown its limit (sandbox/init/log-file.ts): bytes that once were there and are freed.
import { existsSync, readFileSync } from "node:fs";

/** Bytes of the stream from `start` on, `end` not among them. */
export interface LogGap {
  readonly start: number;
  readonly end: number;
}

/** As it is now; null: the stream is whole. It only ever grows at its end. */
export function readGap(streamPath: string): LogGap | null {
  const path = `${streamPath}.gap`;
  // One that is being written over is read again; it is one write of 51 bytes.
  for (let look = 0; look < 1000; look++) {
    if (!existsSync(path)) return null;
    const [start, end, again] = readFileSync(path, "latin1").trim().split(/\s+/);
    if (end !== undefined && end === again) return { start: Number(start), end: Number(end) };
  }
  return null;
}
