// Certificate revocation lists (RFC 5280, 5): written for podium's own authority, read from any.
import { type KeyObject, verify } from "node:crypto";
import { type Issuer, pem, signatureAlgorithm, signed } from "./certificate.ts";
import { context, integer, sequence, tags, time } from "./der.ts";
import { at, children, type Element, readElement, readSerial, readTime } from "./der-reader.ts";
import { authorityKeyExtension, crlNumberExtension } from "./extensions.ts";

export interface Revocation {
  /** Upper-case hexadecimal without leading zeros. */
  readonly serial: string;
  readonly at: Date;
}

/** A list in PEM. `number` must grow from list to list; nobody is let in after `nextUpdate`. */
export function makeCrl(
  issuer: Issuer,
  revocations: readonly Revocation[],
  thisUpdate: Date,
  nextUpdate: Date,
  number: number,
): string {
  const entries = revocations.map(({ serial, at: when }) => sequence(integer(serialBytes(serial)), time(when)));
  const authorityKey = issuer.keyIdentifier === null ? [] : [authorityKeyExtension(issuer.keyIdentifier)];
  const body = sequence(
    integer(1),
    signatureAlgorithm(issuer.key).identifier,
    issuer.name,
    time(thisUpdate),
    time(nextUpdate),
    ...(entries.length > 0 ? [sequence(...entries)] : []),
    context(0, sequence(...authorityKey, crlNumberExtension(number))),
  );
  return pem("X509 CRL", signed(body, issuer.key));
}

function serialBytes(serial: string): Buffer {
  return Buffer.from(serial.length % 2 === 0 ? serial : `0${serial}`, "hex");
}

export interface Crl {
  /** The issuer's name as DER. */
  readonly issuer: Buffer;
  readonly serials: ReadonlySet<string>;
  /** From then on OpenSSL refuses every certificate of the issuer; null where the list does not say. */
  readonly nextUpdate: Date | null;
  /** True when the list was signed with the private half of this key. */
  signedBy(publicKey: KeyObject): boolean;
}

/** Reads one list; throws DerError when it is not one. */
export function readCrl(der: Buffer): Crl {
  const parts = children(readElement(der), tags.sequence);
  const body = at(parts, 0, tags.sequence);
  const signature = at(parts, 2, tags.bitString).content.subarray(1);
  const fields = children(body);
  const start = fields[0]?.tag === tags.integer ? 1 : 0;
  const rest = fields.slice(start + 3);
  const next = rest[0] !== undefined && isTime(rest[0]) ? rest.shift() : undefined;
  const list = rest[0]?.tag === tags.sequence ? children(rest[0]) : [];
  return {
    issuer: at(fields, start + 1, tags.sequence).whole,
    serials: new Set(list.map((entry) => readSerial(at(children(entry, tags.sequence), 0, tags.integer)))),
    nextUpdate: next === undefined ? null : readTime(next),
    signedBy: (publicKey) => verifies(body.whole, signature, publicKey),
  };
}

function isTime(found: Element): boolean {
  return found.tag === tags.utcTime || found.tag === tags.generalizedTime;
}

/** Tries the digests in use; the one that the list names is among them or OpenSSL refuses it. */
function verifies(body: Buffer, signature: Buffer, publicKey: KeyObject): boolean {
  const type = publicKey.asymmetricKeyType;
  const digests = type === "ed25519" || type === "ed448" ? [null] : ["sha256", "sha384", "sha512"];
  return digests.some((digest) => verify(digest, body, publicKey, signature));
}
