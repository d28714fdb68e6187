// The comparisons of a profile's rule (`args`), read strictly.
import { refuse } from "./errors.ts";
import { below, type Fields, isAbsent, readList, readObject, readString, readWhole } from "./fields.ts";

const comparisonOperators = [
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
] as const;
type ComparisonOperator = (typeof comparisonOperators)[number];

/** Compares one argument. With MASKED_EQ: `(argument & value) == valueTwo`; valueTwo is 0 with the others. */
export interface Comparison {
  readonly place: string;
  /** Argument 0 to 5. */
  readonly index: number;
  readonly op: ComparisonOperator;
  readonly value: bigint;
  readonly valueTwo: bigint;
}

function readComparison(value: unknown, place: string): Comparison {
  const fields = readObject(value, place, ["index", "value", "valueTwo", "op"]);
  const opPlace = below(place, "op");
  if (isAbsent(fields, "index")) refuse(below(place, "index"), "is missing; write 0 to 5");
  if (isAbsent(fields, "value")) refuse(below(place, "value"), "is missing; write the number to compare with");
  if (isAbsent(fields, "op")) refuse(opPlace, `is missing; write one of ${comparisonOperators.join(", ")}`);
  const name = readString(fields.op, opPlace);
  const op = comparisonOperators.find((known) => known === name);
  if (op === undefined) refuse(opPlace, `"${name}" is no comparison; use one of ${comparisonOperators.join(", ")}`);
  const most = Number.MAX_SAFE_INTEGER;
  const first = BigInt(readWhole(fields.value, below(place, "value"), most));
  const second = isAbsent(fields, "valueTwo") ? 0n : BigInt(readWhole(fields.valueTwo, below(place, "valueTwo"), most));
  if (op !== "SCMP_CMP_MASKED_EQ" && second !== 0n) {
    refuse(below(place, "valueTwo"), `has no effect with ${op}; remove it or use SCMP_CMP_MASKED_EQ`);
  }
  if (op === "SCMP_CMP_MASKED_EQ" && (second & ~first) !== 0n) {
    refuse(below(place, "valueTwo"), "has bits outside the mask in `value`, so it never matches; widen the mask");
  }
  return { place, index: readWhole(fields.index, below(place, "index"), 5), op, value: first, valueTwo: second };
}

/** runc takes two comparisons of one argument as "or", libseccomp's manual as "and": neither is guessed. */
export function readComparisons(fields: Fields, place: string): Comparison[] {
  const comparisons = readList(fields, "args", place).map((entry) => readComparison(entry.value, entry.place));
  for (const [i, comparison] of comparisons.entries()) {
    if (comparisons.findIndex((other) => other.index === comparison.index) !== i) {
      refuse(
        below(comparison.place, "index"),
        `argument ${comparison.index} is compared twice; write two rules for "or"`,
      );
    }
  }
  return comparisons;
}
