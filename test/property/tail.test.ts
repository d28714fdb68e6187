import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { tailOffset } from "../../src/jobs/tail.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("last lines of a file");

const blockBytes = 64 * 1024;
/** Lines around the size of a block, where an offset by one would show. */
const line = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.integer({ min: -2, max: 2 }).map((n) => "x".repeat(blockBytes + n)),
);

test("S11 any number of lines of any file is what a split at newlines gives", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "log");
  const anyFile = fc.array(
    line.map((text) => text.replaceAll("\n", "")),
    { maxLength: 8 },
  );
  const property = fc.asyncProperty(anyFile, fc.boolean(), fc.nat(10), async (lines, ended, wanted) => {
    const text = Buffer.from(lines.join("\n") + (ended ? "\n" : ""));
    writeFileSync(path, text);
    const whole = String(text).match(/[^\n]*\n|[^\n]+$/g) ?? [];
    const expected = wanted === 0 ? "" : whole.slice(-wanted).join("");
    assert.is(String(text.subarray(await tailOffset(path, wanted))), expected);
  });
  await fc.assert(property, { numRuns: 150 });
});
