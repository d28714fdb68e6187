// Sets of 32-bit words of the form `(word & mask) == value`, the one comparison that filters are built from, and how
// the comparisons of a profile are written as such sets. Numbers are unsigned.
import type { ArgumentBits } from "./argument-bits.ts";
import type { Comparison } from "./comparison.ts";
import { refuse } from "./errors.ts";

export interface Word {
  readonly mask: number;
  readonly value: number;
}

export const anyWord: Word = { mask: 0, value: 0 };

/** The two halves of an argument. */
export interface Halves {
  readonly high: Word;
  readonly low: Word;
}

export function matchesWord(word: Word, number: number): boolean {
  return (number & word.mask) >>> 0 === word.value;
}

function disjoint(a: Word, b: Word): boolean {
  return ((a.value ^ b.value) & a.mask & b.mask) !== 0;
}

/** Cuts `word` into disjoint words, each of them wholly inside or wholly outside of `by`. */
function split(word: Word, by: Word): Word[] {
  if (disjoint(word, by)) return [word];
  const pieces: Word[] = [];
  let inside = word;
  for (let bit = 31; bit >= 0; bit--) {
    const flag = (1 << bit) >>> 0;
    if ((by.mask & flag) === 0 || (word.mask & flag) !== 0) continue;
    const mask = (inside.mask | flag) >>> 0;
    pieces.push({ mask, value: (inside.value | (~by.value & flag)) >>> 0 });
    inside = { mask, value: (inside.value | (by.value & flag)) >>> 0 };
  }
  return [...pieces, inside];
}

/** Disjoint words that cover everything, none of which straddles the edge of one of `edges`. */
export function partition(edges: readonly Word[]): Word[] {
  return edges.reduce<Word[]>((pieces, edge) => pieces.flatMap((piece) => split(piece, edge)), [anyWord]);
}

function halves(mask: bigint, value: bigint): Halves {
  const half = (number: bigint, shift: bigint) => Number((number >> shift) & 0xffff_ffffn);
  return {
    high: { mask: half(mask, 32n), value: half(value, 32n) },
    low: { mask: half(mask, 0n), value: half(value, 0n) },
  };
}

/**
 * The numbers that agree with `value` down to some bit and there differ: below it where `value` has a 1, above it where
 * it has a 0. Together with `value` itself these prefixes are every number of that width, each once.
 */
function prefixes(value: bigint, bits: ArgumentBits, differing: 0 | 1): Halves[] {
  const all = (1n << BigInt(bits)) - 1n;
  const found: Halves[] = [];
  for (let bit = 0n; bit < BigInt(bits); bit++) {
    const flag = 1n << bit;
    if (((value & flag) === 0n) !== (differing === 0)) continue;
    const mask = all & ~(flag - 1n);
    found.push(halves(mask, (value ^ flag) & mask));
  }
  return found;
}

/**
 * What a comparison matches, as disjoint sets, for an argument of which the kernel reads `bits` bits. The register's
 * bits above those are never looked at.
 */
export function comparisonSets(comparison: Comparison, bits: ArgumentBits): Halves[] {
  const all = (1n << BigInt(bits)) - 1n;
  const { op, value, valueTwo } = comparison;
  if (op === "SCMP_CMP_MASKED_EQ") {
    if (valueTwo > all)
      refuse(comparison.place, `valueTwo does not fit the call's ${bits}-bit argument; write a smaller one`);
    return [halves(value & all, valueTwo)];
  }
  if (value > all) refuse(comparison.place, `value does not fit the call's ${bits}-bit argument; write a smaller one`);
  const equal = [halves(all, value)];
  const smaller = () => prefixes(value, bits, 1);
  const greater = () => prefixes(value, bits, 0);
  switch (op) {
    case "SCMP_CMP_EQ":
      return equal;
    case "SCMP_CMP_NE":
      return [...smaller(), ...greater()];
    case "SCMP_CMP_LT":
      return smaller();
    case "SCMP_CMP_LE":
      return [...smaller(), ...equal];
    case "SCMP_CMP_GT":
      return greater();
    case "SCMP_CMP_GE":
      return [...greater(), ...equal];
  }
}
