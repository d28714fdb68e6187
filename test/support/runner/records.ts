// What a test file tells the runner, one JSON line each on descriptor 3, so that a test's own stdout stays free:
//
//   child (one test file)                runner
//     registered ───────────────────────▶  the file loaded; these tests are owed a result
//     started, finished  (per test) ────▶  counted, timed
//     closed ───────────────────────────▶  every body has returned
//     lingering ────────────────────────▶  what keeps the process from ending by itself
//
// A file passes only when all of it arrived, the sums agree and the process then ended by itself.
import { writeSync } from "node:fs";

export interface Failure {
  readonly message: string;
  /** The compared values, or "" where the error has none. */
  readonly diff: string;
  readonly stack: string;
}

export type Outcome =
  | { readonly state: "passed" }
  | { readonly state: "skipped"; readonly reason: string }
  | { readonly state: "failed"; readonly failure: Failure };

export type TestRecord =
  | { readonly kind: "registered"; readonly tests: readonly string[]; readonly timeoutSeconds: number }
  | { readonly kind: "started"; readonly test: string }
  | { readonly kind: "finished"; readonly test: string; readonly milliseconds: number; readonly outcome: Outcome }
  | { readonly kind: "closed" }
  | { readonly kind: "lingering"; readonly resources: readonly string[] };

export const recordDescriptor = 3;

export function sendRecord(record: TestRecord): void {
  writeSync(recordDescriptor, `${JSON.stringify(record)}\n`);
}

export function parseRecords(text: string): TestRecord[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as TestRecord);
}
