import * as assert from "uvu/assert";
import { Tally } from "../support/runner/tally.ts";
import type { FileResult } from "../support/runner/verdict.ts";
import { suite } from "../support/suite.ts";

const test = suite("tally");

const nothing: FileResult = {
  label: "unit/x",
  registered: [],
  passed: [],
  failed: [],
  skipped: [],
  output: "",
  milliseconds: 5,
};
const timed = { name: "a", milliseconds: 1 };

/** What a tally prints on stdout, line by line, and its exit code. */
function printed(fill: (tally: Tally) => void): { lines: string[]; code: number } {
  const lines: string[] = [];
  const tally = new Tally((text) => lines.push(...text.split("\n")));
  fill(tally);
  return { code: tally.finish(), lines };
}

test("skips are listed with their reason and counted in the last line", () => {
  const { lines, code } = printed((tally) =>
    tally.file({ ...nothing, passed: [timed], skipped: [{ ...timed, name: "b", reason: "no swap" }] }),
  );
  assert.equal(lines, [
    "ok    unit/x: 1 passed, 1 skipped (5 ms)",
    "      skipped: b: no swap",
    "1 passed, 0 failed, 1 skipped",
  ]);
  assert.is(code, 0);
});

test("only skips is no success", () => {
  const { lines, code } = printed((tally) => tally.file({ ...nothing, skipped: [{ ...timed, reason: "no swap" }] }));
  assert.is(lines.at(-1), "0 passed, 0 failed, 1 skipped");
  assert.is(code, 1);
});

test("a failure shows message, values, stack and the file's output without uvu's report", () => {
  const failure = { message: "not equal", diff: "1 2", stack: "    at x.ts:1:1" };
  const output = "said\n   FAIL  x  b\n    not equal\n  Total:     1\n  Duration:  1.00ms\n";
  const { lines, code } = printed((tally) => tally.file({ ...nothing, failed: [{ ...timed, failure }], output }));
  assert.equal(lines, [
    "FAIL  unit/x: 0 passed, 1 failed (5 ms)",
    "    ✘ a",
    "      not equal",
    "      1 2",
    "          at x.ts:1:1",
    "      output of the file:",
    "      | said",
    "",
    "failed:",
    '      unit/x "a"',
    "0 passed, 1 failed",
  ]);
  assert.is(code, 1);
});

test("a slow test is listed with its time", () => {
  const { lines } = printed((tally) => tally.file({ ...nothing, passed: [{ name: "a", milliseconds: 2500 }] }));
  assert.is(lines[1], "      slow: a (2.5 s)");
});
