// One line of the audit log: a JSON object that carries its number and the SHA-256 of the line before it, so that a line
// that was changed, removed, added or moved is seen by whoever follows the chain.
import { createHash } from "node:crypto";

export const decisions = ["allowed", "refused", "failed"] as const;
export type Decision = (typeof decisions)[number];

/** Who asked for what, and what podium said. */
export interface AuditEntry {
  /** The certificate's CommonName; empty where it names no user. */
  readonly user: string;
  /** Upper-case hexadecimal. */
  readonly serial: string;
  /** SHA-256 of the certificate, `AB:CD:…`. */
  readonly fingerprint: string;
  /** ADDRESS:PORT of the client. */
  readonly peer: string;
  /** `Starter/Start`; `TLS` for a connection that was refused, `audit` for a line about the log itself. */
  readonly call: string;
  /** Id of the job that it concerned; null where there was none. */
  readonly job: number | null;
  readonly decision: Decision;
  /** Why it was refused or failed. */
  readonly reason: string;
}

export interface AuditRecord extends AuditEntry {
  /** From 1, one more with each line. */
  readonly seq: number;
  /** SHA-256 of the line before, without its line break; zeros before the first. */
  readonly prev: string;
  /** RFC 3339. */
  readonly time: string;
  /** In a line about the log itself: the end of a line that a crash tore. */
  readonly torn?: string;
  /** In a line about the log itself: lines that had been written are gone. */
  readonly missing?: string;
}

/** The last line so far. */
export interface ChainEnd {
  readonly seq: number;
  readonly hash: string;
}

export const chainStart: ChainEnd = { seq: 0, hash: "0".repeat(64) };

export function hashOf(line: string | Buffer): string {
  return createHash("sha256").update(line).digest("hex");
}

/** What a refusal quotes of a request may be long. */
const longestReason = 1000;

/** The text of the next line, without its line break. */
export function encodeLine(after: ChainEnd, time: Date, entry: AuditEntry & Partial<AuditRecord>): string {
  const reason = entry.reason.slice(0, longestReason);
  return JSON.stringify({ seq: after.seq + 1, prev: after.hash, time: time.toISOString(), ...entry, reason });
}

const texts = ["prev", "time", "user", "serial", "fingerprint", "peer", "call", "reason"] as const;

/** null: it is no line of an audit log. */
export function decodeLine(text: string): AuditRecord | null {
  try {
    const record = JSON.parse(text) as AuditRecord;
    const { seq, job, decision } = record;
    const whole = Number.isSafeInteger(seq) && (job === null || Number.isSafeInteger(job));
    return whole && decisions.includes(decision) && texts.every((name) => typeof record[name] === "string")
      ? record
      : null;
  } catch {
    return null;
  }
}

/** A line that podium writes about the log itself. */
export function noteEntry(reason: string): AuditEntry {
  return { user: "", serial: "", fingerprint: "", peer: "", call: "audit", job: null, decision: "failed", reason };
}
