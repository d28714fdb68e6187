// What an authority has issued and revoked: `issued.ndjson`, one JSON object a line, only ever appended to, so that
// two commands at once lose nothing.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { CredentialError } from "./failure.ts";
import { attempt, modes } from "./files.ts";

const issuedLine = z.object({
  kind: z.literal("issued"),
  serial: z.string(),
  name: z.string(),
  role: z.enum(["server", "user", "admin", "viewer"]),
  notAfter: z.string(),
  fingerprint: z.string(),
});
const revokedLine = z.object({ kind: z.literal("revoked"), serial: z.string(), at: z.string() });
const ledgerLine = z.discriminatedUnion("kind", [issuedLine, revokedLine]);

export type IssuedRecord = Omit<z.infer<typeof issuedLine>, "kind">;

export interface Ledger {
  readonly issued: readonly IssuedRecord[];
  /** When each revoked serial was first revoked. */
  readonly revoked: ReadonlyMap<string, Date>;
}

export function ledgerFile(folder: string): string {
  return join(folder, "issued.ndjson");
}

export function appendIssued(folder: string, record: IssuedRecord): void {
  append(folder, { kind: "issued", ...record });
}

export function appendRevoked(folder: string, serial: string, at: Date): void {
  append(folder, { kind: "revoked", serial, at: at.toISOString() });
}

function append(folder: string, line: z.infer<typeof ledgerLine>): void {
  const path = ledgerFile(folder);
  const text = `${JSON.stringify(line)}\n`;
  attempt(path, "cannot write", () => appendFileSync(path, text, { mode: modes.key, flush: true }));
}

/** An authority made with plain openssl has no ledger: an empty one. */
export function readLedger(folder: string): Ledger {
  const path = ledgerFile(folder);
  if (!existsSync(path)) return { issued: [], revoked: new Map() };
  const text = attempt(path, "cannot read", () => readFileSync(path, "utf8"));
  const lines = text.split("\n").map((line, index) => ({ line, where: `${path}: line ${index + 1}` }));
  const records = lines.filter(({ line }) => line !== "").map(({ line, where }) => parseLine(line, where));
  const revoked = new Map<string, Date>();
  for (const record of records) {
    if (record.kind === "revoked" && !revoked.has(record.serial)) revoked.set(record.serial, new Date(record.at));
  }
  return { issued: records.filter((record) => record.kind === "issued"), revoked };
}

function parseLine(line: string, where: string): z.infer<typeof ledgerLine> {
  try {
    return ledgerLine.parse(JSON.parse(line));
  } catch (error) {
    throw new CredentialError(`${where}: not a line of this file`, "remove the line, or restore the file", error);
  }
}
