// Makes X.509 version 3 certificates (RFC 5280) with ECDSA P-256 keys: node:crypto signs, der.ts writes.
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { bitString, context, integer, oid, sequence, time } from "./der.ts";
import {
  authorityExtensions,
  authorityKeyExtension,
  hostsExtension,
  keyIdentifier,
  leafExtensions,
  subjectKeyExtension,
} from "./extensions.ts";
import { encodeName, type NameAttribute } from "./name.ts";

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Who signs: the subject and key identifier of the authority's certificate, and its private key. */
export interface Issuer {
  /** DER. */
  readonly name: Buffer;
  /** null where the authority's certificate states none. */
  readonly keyIdentifier: Buffer | null;
  readonly key: KeyObject;
}

export interface Issued {
  readonly certificate: string;
  readonly key: string;
  /** Upper-case hexadecimal without leading zeros. */
  readonly serial: string;
}

export type Usage =
  | { readonly kind: "authority" }
  | { readonly kind: "server"; readonly hosts: readonly string[] }
  | { readonly kind: "client" };

/** A validity from now for so many days; it begins 5 minutes ago, for clients whose clock is behind. */
export function validityFor(days: number, now: Date): Validity {
  const beginMs = now.getTime() - 5 * 60_000;
  return { notBefore: new Date(beginMs), notAfter: new Date(now.getTime() + days * 86_400_000) };
}

/** A new key and its certificate. Without an issuer the certificate is signed with its own key. */
export function makeCertificate(
  subject: readonly NameAttribute[],
  usage: Usage,
  validity: Validity,
  issuer?: Issuer,
): Issued {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const name = encodeName(subject);
  const signer = issuer ?? { name, key: privateKey, keyIdentifier: keyIdentifier(publicKey) };
  const serial = randomSerial();
  const body = sequence(
    context(0, integer(2)),
    integer(serial),
    signatureAlgorithm(signer.key).identifier,
    signer.name,
    sequence(time(validity.notBefore), time(validity.notAfter)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    context(3, sequence(...extensions(usage, publicKey, signer))),
  );
  return {
    certificate: pem("CERTIFICATE", signed(body, signer.key)),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    serial: serial.toString("hex").toUpperCase(),
  };
}

function extensions(usage: Usage, publicKey: KeyObject, issuer: Issuer): Buffer[] {
  const authorityKey = issuer.keyIdentifier === null ? [] : [authorityKeyExtension(issuer.keyIdentifier)];
  const keys = [subjectKeyExtension(publicKey), ...authorityKey];
  if (usage.kind === "authority") return [...authorityExtensions(), ...keys];
  const hosts = usage.kind === "server" ? [hostsExtension(usage.hosts)] : [];
  return [...leafExtensions(usage.kind), ...keys, ...hosts];
}

/** 128 bits, the highest 0 so that the number is positive, the next 1 so that it has 32 digits. */
function randomSerial(): Buffer {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}

/** What RFC 5280 calls SIGNED: the body, the algorithm and the signature over the body. */
export function signed(body: Buffer, key: KeyObject): Buffer {
  const { identifier, digest } = signatureAlgorithm(key);
  return sequence(body, identifier, bitString(sign(digest, body, key)));
}

/** ECDSA and RSA with SHA-256, Ed25519: the kinds of authority keys that plain openssl makes. */
export function signatureAlgorithm(key: KeyObject): { identifier: Buffer; digest: string | null } {
  switch (key.asymmetricKeyType) {
    case "ec":
      return { identifier: sequence(oid("1.2.840.10045.4.3.2")), digest: "sha256" };
    case "rsa":
      return { identifier: sequence(oid("1.2.840.113549.1.1.11"), Buffer.from([0x05, 0x00])), digest: "sha256" };
    case "ed25519":
      return { identifier: sequence(oid("1.3.101.112")), digest: null };
    default:
      throw new Error(`cannot sign with a key of type ${key.asymmetricKeyType}`);
  }
}

export function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
