// The files of an audit log: `audit-000001.ndjson` and on, of which the oldest go, and `head`, which says where the log
// begins and how far it had come when it was last synced, so that lines cut off at either end are missed.
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { diskThread } from "../../jobs/disk/thread.ts";
import { type ChainEnd, decodeLine } from "./line.ts";

export function auditFolder(data: string): string {
  return join(data, "audit");
}

/** Numbers of the files, in order. */
export function fileNumbers(folder: string): number[] {
  try {
    return readdirSync(folder)
      .flatMap((name) => /^audit-(\d{6,})\.ndjson$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

export function fileName(number: number): string {
  return `audit-${String(number).padStart(6, "0")}.ndjson`;
}

/** More than any line has. */
const longestLine = 64 * 1024;

/** Number of the first line of a file; null when there is none. */
export function firstSeq(folder: string, number: number): number | null {
  const path = join(folder, fileName(number));
  if (!existsSync(path)) return null;
  const beginning = Buffer.alloc(longestLine);
  const descriptor = openSync(path, "r");
  try {
    const length = readSync(descriptor, beginning, 0, longestLine, 0);
    const [line = ""] = beginning.toString("utf8", 0, length).split("\n", 1);
    return decodeLine(line)?.seq ?? null;
  } finally {
    closeSync(descriptor);
  }
}

export interface Head extends ChainEnd {
  /** Number of the oldest line that is kept. */
  readonly first: number;
}

/** null: it is not there, or says nothing. */
export function readHead(folder: string): Head | null {
  try {
    const head = JSON.parse(readFileSync(join(folder, "head"), "utf8")) as Head;
    return Number.isSafeInteger(head.seq) && Number.isSafeInteger(head.first) && typeof head.hash === "string"
      ? head
      : null;
  } catch {
    return null;
  }
}

/** Whole or as before. */
export function writeHead(folder: string, head: Head): void {
  const temporary = join(folder, "head.next");
  writeFileSync(temporary, textOf(head), { mode: 0o600, flush: true });
  renameSync(temporary, join(folder, "head"));
}

/** The same, with the loop free meanwhile, unless the head is not to be replaced any more when it is on the disk. */
export async function writeHeadSoon(folder: string, head: Head, wanted: () => boolean): Promise<void> {
  const temporary = join(folder, "head.soon");
  await diskThread.perform({ write: temporary, text: textOf(head) });
  if (wanted()) renameSync(temporary, join(folder, "head"));
  else rmSync(temporary);
}

function textOf({ first, seq, hash }: Head): string {
  return `${JSON.stringify({ first, seq, hash })}\n`;
}
