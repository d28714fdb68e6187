// The reading half of DER: strict about lengths and bounds, so that a wrong certificate is an error and never a wrong name.
import { tags } from "./der.ts";

export interface Element {
  readonly tag: number;
  /** The bytes between header and end. */
  readonly content: Buffer;
  /** Header and content. */
  readonly whole: Buffer;
}

/** The bytes are not DER, or not of the expected shape. */
export class DerError extends Error {
  override readonly name = "DerError";
}

/** The one element that fills `bytes` from the first to the last. */
export function readElement(bytes: Buffer): Element {
  const first = elementAt(bytes, 0);
  if (first.whole.length !== bytes.length) throw new DerError("bytes follow the end of the DER element");
  return first;
}

/** The elements inside a constructed one, which must have the given tag where one is given. */
export function children(parent: Element, tag?: number): Element[] {
  if (tag !== undefined) expectTag(parent, tag);
  const found: Element[] = [];
  for (let offset = 0; offset < parent.content.length; ) {
    const child = elementAt(parent.content, offset);
    found.push(child);
    offset += child.whole.length;
  }
  return found;
}

function elementAt(bytes: Buffer, offset: number): Element {
  const tag = octetAt(bytes, offset);
  if ((tag & 0x1f) === 0x1f) throw new DerError("DER tag of more than one byte");
  const { length, header } = lengthAt(bytes, offset + 1);
  const start = offset + 1 + header;
  if (start + length > bytes.length) throw new DerError("DER element longer than what holds it");
  return { tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(offset, start + length) };
}

/** Definite lengths in the shortest form, up to 4 bytes. */
function lengthAt(bytes: Buffer, offset: number): { length: number; header: number } {
  const first = octetAt(bytes, offset);
  if (first < 0x80) return { length: first, header: 1 };
  const count = first & 0x7f;
  if (count === 0 || count > 4) throw new DerError("DER length is indefinite or too long");
  let length = 0;
  for (let i = 1; i <= count; i++) length = length * 256 + octetAt(bytes, offset + i);
  const shortest = length >= 0x80 && octetAt(bytes, offset + 1) !== 0;
  if (!shortest) throw new DerError("DER length is not in its shortest form");
  return { length, header: 1 + count };
}

function octetAt(bytes: Buffer, offset: number): number {
  const octet = bytes[offset];
  if (octet === undefined) throw new DerError("DER ends inside an element");
  return octet;
}

function expectTag(found: Element, tag: number): void {
  if (found.tag !== tag) throw new DerError(`DER tag 0x${found.tag.toString(16)} where 0x${tag.toString(16)} belongs`);
}

/** The n-th element, with the expected tag. */
export function at(elements: readonly Element[], index: number, tag: number): Element {
  const found = elements[index];
  if (found === undefined) throw new DerError(`DER element ${index} is missing`);
  expectTag(found, tag);
  return found;
}

/** The dotted form of an object identifier. */
export function readOid(found: Element): string {
  expectTag(found, tags.oid);
  const arcs: bigint[] = [];
  let arc = 0n;
  for (const octet of found.content) {
    arc = arc * 128n + BigInt(octet & 0x7f);
    if ((octet & 0x80) !== 0) continue;
    arcs.push(arc);
    arc = 0n;
  }
  const head = arcs[0];
  const complete = ((found.content.at(-1) ?? 0x80) & 0x80) === 0;
  if (head === undefined || !complete) throw new DerError("DER object identifier is incomplete");
  const first = head < 80n ? head / 40n : 2n;
  return [first, head - first * 40n, ...arcs.slice(1)].join(".");
}

/** An integer as upper-case hexadecimal without leading zeros. */
export function readSerial(found: Element): string {
  expectTag(found, tags.integer);
  const hex = found.content
    .toString("hex")
    .toUpperCase()
    .replace(/^0+(?=.)/, "");
  if (hex === "") throw new DerError("DER integer is empty");
  return hex;
}

/** A UTCTime (years 1950 to 2049) or GeneralizedTime of whole seconds in UTC (RFC 5280, 4.1.2.5). */
export function readTime(found: Element): Date {
  const text = found.content.toString("latin1");
  const century = found.tag === tags.utcTime ? (text < "50" ? "20" : "19") : "";
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(century + text);
  if (match === null || (found.tag !== tags.utcTime && found.tag !== tags.generalizedTime)) {
    throw new DerError("DER time is not a time of RFC 5280");
  }
  const [, year, month, day, hour, minute, second] = match;
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
