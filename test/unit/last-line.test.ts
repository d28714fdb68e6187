// The last line of a run and its exit code are read by other programs.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { suite } from "../support/suite.ts";

const test = suite("last line");

const runner = fileURLToPath(new URL("../support/runner/main.js", import.meta.url));

function run(...args: string[]) {
  const { status, stdout } = spawnSync(process.execPath, [runner, ...args], { encoding: "utf8" });
  return { status, last: stdout.split("\n").at(-2), end: stdout.split("\n").at(-1) };
}

test("checks that passed are counted and end with 0", () => {
  assert.equal(run("--passed-check", "a", "--passed-check", "b"), { status: 0, last: "2 passed, 0 failed", end: "" });
});

test("one failed check ends with 1", () => {
  assert.equal(run("--passed-check", "a", "--failed-check", "b"), { status: 1, last: "1 passed, 1 failed", end: "" });
});

test("a run of nothing is no success", () => {
  assert.equal(run(), { status: 1, last: "0 passed, 0 failed", end: "" });
});

test("an unknown suite and a file that is no test file are failures", () => {
  const failed = { status: 1, last: "0 passed, 1 failed", end: "" };
  assert.equal(run("units"), failed);
  assert.equal(run("--file", "README.md"), failed);
  assert.equal(run("--file", "test/unit/no-such.test.ts"), failed);
});
