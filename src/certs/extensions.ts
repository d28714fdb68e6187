// The certificate extensions that podium writes (RFC 5280, 4.2).
import { createHash, type KeyObject } from "node:crypto";
import { isIP } from "node:net";
import { bitString, boolean, contextPrimitive, integer, octetString, oid, sequence, tags } from "./der.ts";
import { at, children, readElement, readOid } from "./der-reader.ts";
import { CredentialError } from "./failure.ts";

export const purposes = {
  server: "1.3.6.1.5.5.7.3.1",
  client: "1.3.6.1.5.5.7.3.2",
  any: "2.5.29.37.0",
} as const;

function extension(type: string, critical: boolean, value: Buffer): Buffer {
  return sequence(oid(type), ...(critical ? [boolean(true)] : []), octetString(value));
}

/** An authority may sign certificates and revocation lists, but no further authority. */
export function authorityExtensions(): Buffer[] {
  const pathLength = 0;
  return [
    extension("2.5.29.19", true, sequence(boolean(true), integer(pathLength))),
    extension("2.5.29.15", true, bitString(Buffer.from([0b0000_0110]), 1)), // keyCertSign, cRLSign
  ];
}

/** A server or user may sign handshakes for one purpose only. */
export function leafExtensions(purpose: "server" | "client"): Buffer[] {
  return [
    extension("2.5.29.19", true, sequence()),
    extension("2.5.29.15", true, bitString(Buffer.from([0b1000_0000]), 7)), // digitalSignature
    extension("2.5.29.37", false, sequence(oid(purposes[purpose]))),
  ];
}

const subjectKeyType = "2.5.29.14";

export function subjectKeyExtension(publicKey: KeyObject): Buffer {
  return extension(subjectKeyType, false, octetString(keyIdentifier(publicKey)));
}

/** The key identifier that a certificate states; null where it has none. */
export function statedKeyIdentifier(certificate: Buffer): Buffer | null {
  const body = at(children(readElement(certificate), tags.sequence), 0, tags.sequence);
  const wrapper = children(body).find(({ tag }) => tag === 0xa3);
  const list = wrapper === undefined ? [] : children(at(children(wrapper), 0, tags.sequence));
  const own = list
    .map((each) => children(each, tags.sequence))
    .find(([type]) => type && readOid(type) === subjectKeyType);
  const value = own?.at(-1);
  return value === undefined ? null : readElement(value.content).content;
}

/** Must repeat the issuer's own identifier to the byte, however that was made, or OpenSSL finds no issuer. */
export function authorityKeyExtension(issuerIdentifier: Buffer): Buffer {
  return extension("2.5.29.35", false, sequence(contextPrimitive(0, issuerIdentifier)));
}

export function crlNumberExtension(number: number): Buffer {
  return extension("2.5.29.20", false, integer(number));
}

/** The first 160 bits of the key's SHA-256 (RFC 7093, 2, method 1). */
export function keyIdentifier(publicKey: KeyObject): Buffer {
  const info = readElement(publicKey.export({ type: "spki", format: "der" }));
  const key = at(children(info, tags.sequence), 1, tags.bitString).content.subarray(1);
  return createHash("sha256").update(key).digest().subarray(0, 20);
}

/** Host names and addresses that a server certificate is good for. */
export function hostsExtension(hosts: readonly string[]): Buffer {
  return extension("2.5.29.17", false, sequence(...hosts.map(hostName)));
}

const dnsPattern = /^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?$/;

/** True for what a certificate can name: a DNS name (ASCII, `*.` at the start allowed) or an IP address without a zone. */
export function isHost(host: string): boolean {
  if (isIP(host) !== 0) return !host.includes("%");
  return host.length <= 253 && dnsPattern.test(host);
}

function hostName(host: string): Buffer {
  if (!isHost(host)) {
    throw new CredentialError(
      `host ${JSON.stringify(host)}: not a DNS name or IP address`,
      "give a name in ASCII (punycode for others) or an address, without a port",
    );
  }
  const family = isIP(host);
  if (family === 4) return contextPrimitive(7, Buffer.from(host.split(".").map(Number)));
  if (family === 6) return contextPrimitive(7, ipv6Bytes(host));
  return contextPrimitive(2, Buffer.from(host.replace(/\.$/, ""), "latin1"));
}

/** The 16 bytes of an IPv6 address in any spelling; URL writes it without an embedded IPv4 part. */
export function ipv6Bytes(address: string): Buffer {
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = "", tail] = canonical.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? [] : new Array<string>(8 - left.length - right.length).fill("0");
  return Buffer.from([...left, ...zeros, ...right].map((group) => group.padStart(4, "0")).join(""), "hex");
}
