import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { tailOffset } from "../../src/jobs/tail.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("last lines of a file");

async function tailOf(text: string, lines: number): Promise<string> {
  using folder = temporaryFolder();
  const path = join(folder.path, "log");
  writeFileSync(path, text);
  return text.slice(await tailOffset(path, lines));
}

test("S11 0, 1, some and more lines than there are", async () => {
  const text = "one\ntwo\nthree\n";
  assert.is(await tailOf(text, 0), "");
  assert.is(await tailOf(text, 1), "three\n");
  assert.is(await tailOf(text, 2), "two\nthree\n");
  assert.is(await tailOf(text, 3), text);
  assert.is(await tailOf(text, 4), text);
  assert.is(await tailOf(text, Number.MAX_SAFE_INTEGER), text);
});

test("S11 a last line without newline is a line; an empty file has none", async () => {
  assert.is(await tailOf("one\ntwo", 1), "two");
  assert.is(await tailOf("one", 1), "one");
  assert.is(await tailOf("", 1), "");
  assert.is(await tailOf("\n", 1), "\n");
  assert.is(await tailOf("a\n\n", 1), "\n");
  assert.is(await tailOf("a\n\n", 2), "a\n\n");
});

test("S11 lines longer than a block are counted right", async () => {
  const long = `${"x".repeat(200_000)}\n`;
  assert.is(await tailOf(`first\n${long}${long}`, 2), long + long);
  assert.is(await tailOf(`first\n${long}end`, 1), "end");
});
