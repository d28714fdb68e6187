import fc from "fast-check";
import * as assert from "uvu/assert";
import { formatDuration, formatSize, parseDuration, parseSize } from "../../sandbox/units.ts";
import { suite } from "../support/suite.ts";

const test = suite("sizes and durations, any");

test("whatever text comes, the answer is null or a whole number from 0 up", () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{1,20}[KMGTPmshdiB]{0,3}$/));
  const check = (parse: (text: string) => number | null) => (text: string) => {
    const value = parse(text);
    if (value !== null) assert.ok(Number.isSafeInteger(value) && value >= 0, text);
  };
  fc.assert(fc.property(text, check(parseSize)));
  fc.assert(fc.property(text, check(parseDuration)));
});

test("a shown duration is read back as the same milliseconds", () => {
  fc.assert(
    fc.property(fc.nat({ max: 10 ** 12 }), (milliseconds) => {
      assert.is(parseDuration(formatDuration(milliseconds)), milliseconds);
    }),
  );
});

test("a shown size is read back within the digit that is shown, and has at most four before the point", () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 52 }), (bytes) => {
      const text = formatSize(bytes);
      assert.match(text, /^\d{1,4}(\.\d)?[KMGTP]?$/);
      assert.ok(Number.parseFloat(text) < 1024, text);
      const unit = 1024 ** "KMGTP".indexOf(text.at(-1) ?? "") * 1024 || 1;
      assert.ok(Math.abs((parseSize(text) ?? Number.NaN) - bytes) <= unit * 0.05 + 1, `${bytes} as ${text}`);
    }),
  );
});
