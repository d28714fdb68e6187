// The rules of one system call, rewritten so that no two of them overlap. libseccomp needs that: of overlapping rules
// it drops the narrower one when another is unconditional, and may take the wrong branch when masks overlap. Here the
// strictest matching rule wins, and of equally strict ones the first.
import type { MaskedEqual } from "../sys/seccomp.ts";
import { type Action, actionRank } from "./actions.ts";
import type { ArgumentBits } from "./argument-bits.ts";
import type { Comparison } from "./comparison.ts";
import { refuse } from "./errors.ts";
import { anyWord, comparisonSets, matchesWord, partition, type Word } from "./words.ts";

/** One rule of one call: all comparisons must hold; none = always. */
export interface CallRule {
  readonly action: Action;
  readonly args: readonly Comparison[];
}

/** A rule that overlaps no other one of its call. */
export interface DisjointRule {
  readonly action: Action;
  readonly comparisons: readonly MaskedEqual[];
}

/** A conjunction over the twelve half arguments, ordered 0 high, 0 low, 1 high, …; `anyWord` where all match. */
interface Box {
  readonly action: Action;
  readonly words: readonly Word[];
}

const halfArguments = 12;
/** Far above what real profiles need (NE on a 64-bit argument gives 64); hostile profiles stop here. */
const mostPieces = 4096;

function boxesOf(rule: CallRule, bits: readonly ArgumentBits[], place: string): Box[] {
  let rows: (readonly Word[])[] = [Array<Word>(halfArguments).fill(anyWord)];
  for (const comparison of rule.args) {
    const sets = comparisonSets(comparison, bits[comparison.index] ?? 64);
    if (rows.length * sets.length > mostPieces)
      refuse(place, "its comparisons are too intricate; use masks or fewer ranges");
    rows = rows.flatMap((row) =>
      sets.map(({ high, low }) => row.with(comparison.index * 2, high).with(comparison.index * 2 + 1, low)),
    );
  }
  return rows.map((words) => ({ action: rule.action, words }));
}

function comparisonsOf(path: readonly Word[]): MaskedEqual[] {
  const comparisons: MaskedEqual[] = [];
  for (let argument = 0; argument < halfArguments / 2; argument++) {
    const high = path[argument * 2] ?? anyWord;
    const low = path[argument * 2 + 1] ?? anyWord;
    const join = (upper: number, lower: number) => (BigInt(upper) << 32n) | BigInt(lower);
    const mask = join(high.mask, low.mask);
    if (mask !== 0n) comparisons.push({ argument, mask, value: join(high.value, low.value) });
  }
  return comparisons;
}

function constrains(box: Box, from: number): boolean {
  return box.words.some((word, half) => half >= from && word.mask !== 0);
}

class Decision {
  readonly rules: DisjointRule[] = [];
  private readonly place: string;
  private steps = 0;

  constructor(place: string) {
    this.place = place;
  }

  /** `boxes` are those that still match, strictest first, given the words of `path` for the first half arguments. */
  decide(boxes: readonly Box[], path: readonly Word[]): void {
    this.steps++;
    if (this.steps > mostPieces)
      refuse(this.place, "the rules of this call are too intricate; use masks or fewer ranges");
    const half = path.length;
    const certain = boxes.findIndex((box) => !constrains(box, half));
    const first = boxes[0];
    if (first === undefined) return;
    if (certain === 0) {
      this.rules.push({ action: first.action, comparisons: comparisonsOf(path) });
      return;
    }
    const alive = certain < 0 ? boxes : boxes.slice(0, certain + 1);
    const wordOf = (box: Box) => box.words[half] ?? anyWord;
    for (const word of partition(alive.map(wordOf))) {
      const matching = alive.filter((box) => matchesWord(wordOf(box), word.value));
      this.decide(matching, [...path, word]);
    }
  }
}

/**
 * Disjoint rules that decide as `rules` do; calls that match none are left to the filter's default. `bits` are the
 * widths of the call's arguments, `place` is for messages.
 */
export function disjointRules(
  rules: readonly CallRule[],
  bits: readonly ArgumentBits[],
  place: string,
): DisjointRule[] {
  const byStrictness = rules.toSorted((a, b) => actionRank(a.action) - actionRank(b.action));
  const decision = new Decision(place);
  decision.decide(
    byStrictness.flatMap((rule) => boxesOf(rule, bits, place)),
    [],
  );
  return decision.rules;
}
