import { appendFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { type LogRange, readLog } from "../../src/jobs/log-reader.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("log reader");

const never = new AbortController().signal;

async function collect(
  path: string,
  range: Partial<LogRange>,
  ended: Promise<void>,
  signal = never,
): Promise<string[]> {
  const pieces: string[] = [];
  let next: number | null = null;
  for await (const { offset, bytes } of readLog(path, { offset: 0, snapshot: false, ...range }, ended, signal)) {
    assert.ok(bytes.length > 0 && bytes.length <= 64 * 1024);
    assert.ok(next === null || next === offset, "no gap");
    next = offset + bytes.length;
    pieces.push(bytes.toString("latin1"));
  }
  return pieces;
}

function logIn(folder: string, text: string | Buffer): string {
  const path = join(folder, "stdout");
  writeFileSync(path, text);
  return path;
}

test("the log of an ended job is read whole, from any offset", async () => {
  using folder = temporaryFolder();
  const path = logIn(folder.path, "hello world");
  assert.equal(await collect(path, {}, Promise.resolve()), ["hello world"]);
  assert.equal(await collect(path, { offset: 6 }, Promise.resolve()), ["world"]);
  assert.equal(await collect(path, { offset: 11 }, Promise.resolve()), []);
  assert.equal(await collect(path, { offset: 4000 }, Promise.resolve()), []);
});

test("what is written while one follows arrives, up to what was written just before the end", async () => {
  using folder = temporaryFolder();
  const path = logIn(folder.path, "a");
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const following = collect(path, {}, ended);
  for (const text of ["b", "c"]) {
    await sleep(20);
    appendFileSync(path, text);
  }
  await sleep(20);
  appendFileSync(path, "d");
  end();
  assert.is((await following).join(""), "abcd");
});

test("an offset beyond the end waits until the file gets there", async () => {
  using folder = temporaryFolder();
  const path = logIn(folder.path, "abc");
  const ended = sleep(80).then(() => {});
  const following = collect(path, { offset: 5 }, ended);
  await sleep(20);
  appendFileSync(path, "defgh");
  assert.is((await following).join(""), "fgh");
});

test("a snapshot ends where the file ended when it began", async () => {
  using folder = temporaryFolder();
  const path = logIn(folder.path, Buffer.alloc(200_000, "x"));
  let length = 0;
  for await (const { bytes } of readLog(path, { offset: 0, snapshot: true }, new Promise(() => {}), never)) {
    length += bytes.length;
    appendFileSync(path, Buffer.alloc(100_000, "y"));
  }
  assert.is(length, 200_000);
});

test("a character is held back until it is whole, or until nothing can follow", async () => {
  using folder = temporaryFolder();
  const path = logIn(folder.path, Buffer.from([0x61, 0xe2, 0x82]));
  const ended = sleep(100).then(() => {});
  const following = collect(path, {}, ended);
  await sleep(20);
  appendFileSync(path, Buffer.from([0xac, 0xc3]));
  assert.equal(await following, ["a", "\xe2\x82\xac", "\xc3"]);
});

test("an aborted reader ends at once and leaves no descriptor", async () => {
  using folder = temporaryFolder();
  const path = logIn(folder.path, "abc");
  const files = () => readdirSync("/proc/self/fd").length;
  await collect(path, {}, Promise.resolve());
  const before = files();
  const gone = new AbortController();
  const following = Array.from({ length: 20 }, () => collect(path, {}, new Promise(() => {}), gone.signal));
  await sleep(30);
  assert.ok(files() > before + 10);
  gone.abort();
  assert.equal(new Set((await Promise.all(following)).map((pieces) => pieces.join(""))), new Set(["abc"]));
  await sleep(10);
  assert.ok(files() <= before + 2, `${before} descriptors became ${files()}`);
});
