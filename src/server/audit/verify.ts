// Follows the chain of an audit log from its first line to its last.
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { fileName, fileNumbers, type Head, readHead } from "./files.ts";
import { type AuditRecord, type ChainEnd, decodeLine, hashOf } from "./line.ts";

export interface AuditLine {
  readonly file: string;
  /** From 1. */
  readonly number: number;
  readonly text: string;
  /** False: it is the last, and has no line break. */
  readonly whole: boolean;
}

/** The lines of all files, oldest first. */
export async function* auditLines(folder: string): AsyncGenerator<AuditLine, void, undefined> {
  for (const each of fileNumbers(folder)) {
    const file = fileName(each);
    let rest = "";
    let number = 0;
    for await (const chunk of createReadStream(join(folder, file), "utf8")) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const text of lines) yield { file, number: ++number, text, whole: true };
    }
    if (rest !== "") yield { file, number: ++number, text: rest, whole: false };
  }
}

/** Where a log is not what podium wrote. */
export interface Fault {
  /** FILE:LINE. */
  readonly where: string;
  readonly reason: string;
}

export interface Verified {
  readonly lines: number;
  readonly first: number;
  readonly end: ChainEnd;
  /** Things to know that no tampering explains: torn lines of crashes. */
  readonly notes: readonly string[];
  readonly fault: Fault | null;
}

/** Reads until the first fault. */
export async function verifyAudit(folder: string): Promise<Verified> {
  const head = readHead(folder);
  const notes: string[] = [];
  let [lines, first, where] = [0, 0, "head:1"];
  let end: ChainEnd | null = null;
  const result = (fault: Fault | null): Verified => ({
    lines,
    first,
    end: end ?? { seq: 0, hash: "" },
    notes,
    fault,
  });
  for await (const line of auditLines(folder)) {
    where = `${line.file}:${line.number}`;
    const record = line.whole ? decodeLine(line.text) : null;
    if (record === null && !line.whole) {
      notes.push(`${where}: the last line is not whole: a crash, or a server that is writing it`);
      break;
    }
    if (record === null) return result({ where, reason: "it is no line of an audit log" });
    if (end === null) first = record.seq;
    const hash = hashOf(line.text);
    const reason = faultOf(record, hash, end, head);
    if (reason !== null) return result({ where, reason });
    if (record.torn !== undefined) notes.push(`${where}: ${record.reason}`);
    end = { seq: record.seq, hash };
    lines++;
  }
  const reason = faultAtEnd(end, head);
  return result(reason === null ? null : { where, reason });
}

function faultOf(record: AuditRecord, hash: string, before: ChainEnd | null, head: Head | null): string | null {
  const { seq, prev, missing } = record;
  if (missing !== undefined) return `lines before it are missing: ${record.reason}`;
  if (before === null && head !== null && seq > head.first)
    return `lines ${head.first} to ${seq - 1} before it are gone`;
  if (before !== null && seq !== before.seq + 1) return `line ${seq} follows line ${before.seq}`;
  if (before !== null && prev !== before.hash) return "it does not carry the SHA-256 of the line before it";
  if (before === null && seq === 1 && !/^0{64}$/.test(prev)) return "it is the first line, and names one before it";
  if (head !== null && seq === head.seq && hash !== head.hash) return "it is not the line that was written: see head";
  return null;
}

function faultAtEnd(end: ChainEnd | null, head: Head | null): string | null {
  if (head === null) return end === null ? null : "the file head is missing";
  const last = end?.seq ?? 0;
  return head.seq > last ? `lines ${last + 1} to ${head.seq} after it are gone` : null;
}
