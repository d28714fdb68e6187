// The runner must fail whatever did not really pass. Each fixture is a test file of its own, run as the runner runs any.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { type FileRunOptions, runFile } from "../support/runner/file-run.ts";
import { commandLine } from "../support/runner/process-group.ts";
import type { FileResult } from "../support/runner/verdict.ts";
import { suite } from "../support/suite.ts";

const test = suite("runner");

const suiteModule = new URL("../support/suite.js", import.meta.url).href;
const assertModule = import.meta.resolve("uvu/assert");
const preamble = `import { requires, suite } from ${JSON.stringify(suiteModule)};
import * as assert from ${JSON.stringify(assertModule)};
`;

/** Runs a fixture with the given text and hands over its result. */
async function runFixture(text: string, options: FileRunOptions = {}): Promise<FileResult> {
  const folder = mkdtempSync(join(tmpdir(), "fixture-"));
  try {
    const file = join(folder, "fixture.mjs");
    writeFileSync(file, preamble + text);
    return await runFile(file, "fixture", { leftoverMs: 1000, ...options });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function messages(result: FileResult): string[] {
  return result.failed.map(({ name, failure }) => `${name}: ${failure.message}`);
}

function names(results: readonly { readonly name: string }[]): string[] {
  return results.map(({ name }) => name);
}

test("a file whose tests pass has no failure", async () => {
  const result = await runFixture(`const test = suite("x"); test("a", () => {}); test("b", async () => {});`);
  assert.equal(messages(result), []);
  assert.equal(names(result.passed), ["a", "b"]);
});

test("a failing assertion fails its test alone and shows the compared values", async () => {
  const result = await runFixture(
    `const test = suite("x"); test("a", () => {}); test("b", () => { console.log("seen"); assert.is(1, 2); });`,
  );
  assert.equal(names(result.passed), ["a"]);
  assert.equal(names(result.failed), ["b"]);
  assert.match(result.failed[0]?.failure.diff ?? "", /\+\+2 +\(Expected\)\n--1 +\(Actual\)/);
  assert.match(result.failed[0]?.failure.stack ?? "", /fixture\.mjs/);
  assert.match(result.output, /seen/);
});

test("a failing match shows the value that did not match", async () => {
  const result = await runFixture(`suite("x")("a", () => { assert.match("the value", /other/); });`);
  assert.is(result.failed[0]?.failure.diff, "actual   'the value'\nexpected /other/");
});

test("a failure with a cause shows the cause and what it compared", async () => {
  const result = await runFixture(
    `suite("x")("a", () => {
       try { assert.is(1, 2); } catch (cause) { throw new Error("outer", { cause }); }
     });`,
  );
  assert.match(result.failed[0]?.failure.message ?? "", /^outer\ncaused by Expected[\s\S]*\+\+2 +\(Expected\)/);
});

test("a file that throws while it loads fails", async () => {
  const result = await runFixture(`suite("x")("a", () => {}); throw new Error("at load");`);
  assert.equal(messages(result), [
    "the file as a whole: it exited with code 1, expected 0",
    "the file as a whole: it ended before its tests were registered",
  ]);
  assert.match(result.output, /at load/);
});

test("a file that registers no test fails", async () => {
  assert.equal(messages(await runFixture(`suite("x");`)), ["the file as a whole: it registers no test"]);
});

// uvu turns such an exit into code 1; the records would tell without it.
test("a file that exits with 0 before its tests are done fails, with the tests it owes", async () => {
  const result = await runFixture(
    `const test = suite("x"); test("a", () => {}); test("b", () => process.exit(0)); test("c", () => {});`,
  );
  assert.equal(names(result.passed), ["a"]);
  assert.equal(messages(result), [
    "b: it never finished",
    "c: it never finished",
    'the file as a whole: it exited with code 1 before its tests were done, in "b"',
  ]);
});

test("a file that exits with 0 while it loads fails", async () => {
  assert.equal(messages(await runFixture(`suite("x")("a", () => {}); process.exit(0);`)), [
    "the file as a whole: it ended before its tests were registered",
  ]);
});

test("a file that hangs in a test is killed at its deadline and named", async () => {
  const result = await runFixture(`suite("x", { timeoutSeconds: 3 })("a", () => { for (;;); });`);
  assert.equal(messages(result), [
    "a: it never finished",
    'the file as a whole: it hung past its deadline (3 s), in "a"',
  ]);
});

test("a file that hangs while it loads is killed", async () => {
  assert.equal(messages(await runFixture("for (;;);", { timeoutSeconds: 1 })), [
    "the file as a whole: it did not finish loading in time (1 s)",
    "the file as a whole: it ended before its tests were registered",
  ]);
});

test("a file that does not end by itself fails and says what holds it", async () => {
  const result = await runFixture(
    `import { createServer } from "node:net"; suite("x")("a", () => { createServer().listen(0, "127.0.0.1"); });`,
    { endSeconds: 5 },
  );
  assert.equal(messages(result), [
    "the file as a whole: its tests were done, but the process did not end by itself (5 s): held by TCPServerWrap",
  ]);
});

test("a test that never settles fails at its own deadline, and the next one still runs", async () => {
  const result = await runFixture(
    `const test = suite("x", { testSeconds: 0.2 }); test("a", () => new Promise(() => {})); test("b", () => {});`,
  );
  assert.equal(messages(result), ["a: the test took longer than its 0.2 s"]);
  assert.equal(names(result.passed), ["b"]);
});

test("a forgotten await fails the file, also after the last test", async () => {
  const result = await runFixture(
    `suite("x")("a", () => { new Promise((_, reject) => setTimeout(() => reject(new Error("late")), 50)); });`,
  );
  assert.equal(messages(result), ["the file as a whole: it exited with code 1, expected 0"]);
  assert.match(result.output, /late/);
});

test("an unhandled rejection between tests fails the file", async () => {
  const result = await runFixture(
    `const test = suite("x"); test("a", () => { Promise.reject(new Error("loose")); });
     test("b", () => new Promise((done) => setTimeout(done, 100)));`,
  );
  assert.equal(messages(result), [
    "b: it never finished",
    'the file as a whole: it exited with code 1 before its tests were done, in "b"',
  ]);
  assert.match(result.output, /loose/);
});

test("a skip is counted with its reason", async () => {
  const result = await runFixture(
    `const test = suite("x"); test("a", { check: () => "no such kernel" }, () => { throw new Error("ran"); });`,
  );
  assert.equal(messages(result), []);
  assert.equal(result.skipped[0]?.reason, "no such kernel");
  assert.equal(names(result.passed), []);
});

test("an unknown requirement fails the file", async () => {
  const result = await runFixture(`suite("x")("a", requires("moon"), () => {});`);
  assert.match(result.output, /unknown requirement "moon"; known: root, /);
  assert.is(result.failed.length, 2);
});

test("two tests of one name, a nameless test and one without a body fail the file", async () => {
  for (const [text, reason] of [
    [`test("a", () => {}); test("a", () => {});`, /two tests of this file are called "a"/],
    [`test(" ", () => {});`, /a test needs a name/],
    [`test("a");`, /its body is not a function/],
  ] as const) {
    const result = await runFixture(`const test = suite("x"); ${text}`);
    assert.match(result.output, reason);
    assert.is.not(result.failed.length, 0);
  }
});

test("a test registered by another test fails it, because it would not run", async () => {
  const result = await runFixture(`const test = suite("x"); test("a", () => { test("b", () => {}); });`);
  assert.equal(messages(result), ['a: test "b": registered too late to be run; register while the file loads']);
});

test("a process that a file leaves behind is named, and killed", async () => {
  const result = await runFixture(
    `import { spawn } from "node:child_process";
     suite("x")("a", () => { const left = spawn("sleep", ["4711"], { stdio: "ignore" }); left.unref(); console.log("pid=" + left.pid); });`,
  );
  const pid = Number(/pid=(\d+)/.exec(result.output)?.[1]);
  assert.equal(messages(result), [`the file as a whole: it left processes behind:\n${pid} sleep 4711`]);
  assert.is(commandLine(String(pid)), "");
});

test("a test file run without the runner refuses", () => {
  const own = fileURLToPath(import.meta.url);
  const { status, stderr } = spawnSync(process.execPath, [own], { encoding: "utf8" });
  assert.is(status, 1);
  assert.match(stderr, /suite "runner": test files run only with npm run test:file -- FILE/);
});
