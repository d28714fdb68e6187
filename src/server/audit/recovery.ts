// What a server finds at the end of the audit log that its predecessor wrote.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileName, type Head } from "./files.ts";
import { type AuditRecord, type ChainEnd, chainStart, decodeLine, hashOf } from "./line.ts";

export interface FoundEnd {
  readonly end: ChainEnd;
  /** Bytes of the last file up to its last whole line. */
  readonly size: number;
  /** What follows: the part of a line that a crash left. */
  readonly torn: string;
}

const tornLimit = 4096;

/** The last whole line. A file that a crash left without one is looked through for the one before it. */
export function endOfFile(folder: string, numbers: readonly number[]): FoundEnd {
  const last = numbers.at(-1);
  if (last === undefined) return { end: chainStart, size: 0, torn: "" };
  const text = readFileSync(join(folder, fileName(last)));
  const size = text.lastIndexOf("\n") + 1;
  const torn = text.subarray(size, size + tornLimit).toString("utf8");
  const lastLine = text.subarray(text.lastIndexOf("\n", size - 2) + 1, Math.max(size - 1, 0));
  const record = decodeLine(lastLine.toString("utf8"));
  if (record !== null) return { end: { seq: record.seq, hash: hashOf(lastLine) }, size, torn };
  return { end: endOfFile(folder, numbers.slice(0, -1)).end, size, torn };
}

type Note = Pick<AuditRecord, "reason" | "torn" | "missing">;

/** The line with which the log goes on; null when nothing is wrong with its end. */
export function noteOfLoss({ end, torn }: FoundEnd, head: Head | null, exists: boolean): Note | null {
  if (exists && head === null) return { reason: "the file head was not there", missing: "head" };
  if (head !== null && head.seq > end.seq) {
    const missing = `${end.seq + 1}-${head.seq}`;
    return { reason: `lines ${missing} had been written and are gone`, missing };
  }
  if (torn === "") return null;
  return { reason: "the server ended while it wrote a line, which is cut off", torn };
}
