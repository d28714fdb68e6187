// IPv4 and IPv6 addresses and CIDR blocks as numbers: pure, one form in, one canonical form out.
import { isIPv4, isIPv6 } from "node:net";

export type Family = 4 | 6;

/** Bits of an address. */
export const widthOf: Readonly<Record<Family, number>> = { 4: 32, 6: 128 };

export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

/** `value` has no bit set below `length`. */
export interface Cidr extends Address {
  /** Length of the prefix in bits. */
  readonly length: number;
}

/** null: the text is no address. Zones (`fe80::1%eth0`) and IPv4 with leading zeros are none. */
export function parseAddress(text: string): Address | null {
  if (isIPv4(text)) return { family: 4, value: fold(text.split(".").map(Number), 8n) };
  if (isIPv6(text) && !text.includes("%")) return { family: 6, value: fold(groupsOf(text), 16n) };
  return null;
}

function fold(parts: readonly number[], bits: bigint): bigint {
  return parts.reduce((value, part) => (value << bits) | BigInt(part), 0n);
}

/** The eight groups of an IPv6 address that isIPv6 has accepted. */
function groupsOf(text: string): number[] {
  const [head = "", tail] = text.split("::");
  const front = groupsIn(head);
  if (tail === undefined) return front;
  const back = groupsIn(tail);
  return [...front, ...Array<number>(8 - front.length - back.length).fill(0), ...back];
}

function groupsIn(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const value = Number(fold(group.split(".").map(Number), 8n));
    return [value >>> 16, value & 0xffff];
  });
}

/** Dotted quad, or RFC 5952. */
export function formatAddress({ family, value }: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join(".");
  const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  return compress(groups);
}

/** The longest run of two or more zero groups, the first of equals, becomes `::`. */
function compress(groups: readonly string[]): string {
  let best = { start: -1, length: 1 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === "0") end++;
    if (end - start > best.length) best = { start, length: end - start };
  }
  if (best.start < 0) return groups.join(":");
  return `${groups.slice(0, best.start).join(":")}::${groups.slice(best.start + best.length).join(":")}`;
}

/** An address or `ADDRESS/LENGTH`; bits below the length are cleared. null: neither. */
export function parseCidr(text: string): Cidr | null {
  const [head = "", length, ...rest] = text.split("/");
  const address = parseAddress(head);
  if (address === null || rest.length > 0) return null;
  const width = widthOf[address.family];
  if (length === undefined) return { ...address, length: width };
  if (!/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > width) return null;
  return cidrOf(address, Number(length));
}

/** The block of this length that holds the address. */
export function cidrOf({ family, value }: Address, length: number): Cidr {
  const host = BigInt(widthOf[family] - length);
  return { family, value: (value >> host) << host, length };
}

export function formatCidr(cidr: Cidr): string {
  return `${formatAddress(cidr)}/${cidr.length}`;
}

/** Whether `outer` holds all of `inner`. */
export function contains(outer: Cidr, inner: Cidr): boolean {
  if (outer.family !== inner.family || outer.length > inner.length) return false;
  const host = BigInt(widthOf[outer.family] - outer.length);
  return outer.value >> host === inner.value >> host;
}

/** Blocks never overlap in part: one holds the other, or they have nothing in common. */
export function overlaps(a: Cidr, b: Cidr): boolean {
  return contains(a, b) || contains(b, a);
}

/** Address number `index` of a block, 0 being its first. */
export function addressIn(cidr: Cidr, index: number): Address {
  return { family: cidr.family, value: cidr.value + BigInt(index) };
}

/** Network byte order, 4 or 16 bytes. */
export function bytesOf({ family, value }: Address): Buffer {
  return Buffer.from(value.toString(16).padStart(widthOf[family] / 4, "0"), "hex");
}

export function addressFromBytes(bytes: Buffer): Address {
  return { family: bytes.length === 4 ? 4 : 6, value: BigInt(`0x${bytes.toString("hex")}`) };
}
