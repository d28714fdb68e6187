// Revoking: a line in the ledger, and a new `ca.crl` made from the whole of it.
import { join } from "node:path";
import type { Authority } from "./authority.ts";
import { makeCrl, type Revocation } from "./crl.ts";
import { CredentialError } from "./failure.ts";
import { modes, writeFiles } from "./files.ts";
import { appendRevoked, type IssuedRecord, readLedger } from "./ledger.ts";

export interface CertificateEntry extends IssuedRecord {
  readonly state: "valid" | "expired" | "revoked";
}

/** What was issued in the folder, oldest first. */
export function listCertificates(folder: string, now = new Date()): CertificateEntry[] {
  const { issued, revoked } = readLedger(folder);
  return issued.map((record) => {
    const expired = new Date(record.notAfter) < now;
    return { ...record, state: revoked.has(record.serial) ? "revoked" : expired ? "expired" : "valid" };
  });
}

/** Revokes all valid certificates of a user, or the one with the serial number; returns the serials. */
export function revokeCertificates(authority: Authority, nameOrSerial: string, now = new Date()): string[] {
  const entries = listCertificates(authority.folder, now);
  const serials = serialsOf(entries, nameOrSerial);
  for (const serial of serials) appendRevoked(authority.folder, serial, now);
  writeCrl(authority, now);
  return serials;
}

function serialsOf(entries: readonly CertificateEntry[], nameOrSerial: string): string[] {
  const named = entries.filter((entry) => entry.name === nameOrSerial);
  const valid = named.filter((entry) => entry.state === "valid").map((entry) => entry.serial);
  if (valid.length > 0) return valid;
  if (named.length > 0) {
    throw new CredentialError(`${nameOrSerial}: every certificate of this name is revoked or expired already`);
  }
  const serial = nameOrSerial.replaceAll(":", "").toUpperCase();
  if (/^[0-9A-F]{16,40}$/.test(serial)) return [serial.replace(/^0+/, "")];
  throw new CredentialError(
    `${nameOrSerial}: no certificate of this name was issued here`,
    "podium certs list shows names and serials; a serial (16 to 40 hexadecimal digits) serves for certificates made elsewhere",
  );
}

/** Writes `ca.crl` from the ledger, and again when another command added to the ledger meanwhile; returns its path. */
export function writeCrl(authority: Authority, now: Date): string {
  const path = join(authority.folder, "ca.crl");
  const endOfAuthority = new Date(authority.certificate.validTo);
  for (let written = -1; ; ) {
    const { revoked } = readLedger(authority.folder);
    if (revoked.size === written) return path;
    const revocations: Revocation[] = [...revoked].map(([serial, at]) => ({ serial, at }));
    const since = new Date(now.getTime() - 5 * 60_000); // for servers whose clock is behind
    const content = makeCrl(authority.issuer, revocations, since, endOfAuthority, now.getTime());
    writeFiles([{ path, content, mode: modes.certificate }], true);
    written = revoked.size;
  }
}
