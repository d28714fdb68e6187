import { existsSync, readFileSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { LogFile } from "../../sandbox/init/log-file.ts";
import { readGap } from "../../src/jobs/log-gap.ts";
import { StreamFile } from "../../src/jobs/stream-file.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("log file");
const kibibyte = 1 << 10;
const mebibyte = 1 << 20;

function logIn(folder: string, bytes: number, kill = false) {
  const path = join(folder, "stdout");
  writeFileSync(path, "");
  return { path, log: new LogFile(path, { bytes, kill }) };
}

/** Writes as init does. */
function append(log: LogFile, bytes: Buffer): void {
  writeSync(log.fd, bytes);
  log.wrote(bytes.length);
}

function allocated(path: string): number {
  return statSync(path).blocks * 512;
}

/** All that a reader gets, each gap as that many dots. */
async function textOf(path: string, offset = 0): Promise<string> {
  await using file = await StreamFile.open(path, offset);
  const size = await file.size();
  let text = "";
  for (let pieces = await file.read(size, true); pieces.length > 0; pieces = await file.read(size, true)) {
    for (const piece of pieces) {
      text += ".".repeat(piece.gap) + piece.bytes.toString("latin1");
      assert.is(offset + text.length, piece.offset + piece.bytes.length);
    }
  }
  return text;
}

test("S09 of a stream over its limit head and tail are kept, at their offsets, and the middle is freed", async () => {
  using folder = temporaryFolder();
  const { path, log } = logIn(folder.path, mebibyte);
  const whole = Buffer.from(Array.from({ length: 9 * mebibyte + 777 }, (_, n) => 65 + (n % 7)));
  let most = 0;
  for (let at = 0; at < whole.length; at += 48 * kibibyte) {
    append(log, whole.subarray(at, at + 48 * kibibyte));
    most = Math.max(most, allocated(path));
  }
  log.close();
  assert.ok(most <= 1.5 * mebibyte, `it took ${most} bytes of the disk`);
  assert.ok(allocated(path) <= 1.1 * mebibyte, `${allocated(path)} bytes are left`);
  assert.is(statSync(path).size, whole.length);
  const gap = readGap(path);
  assert.equal(gap, { start: mebibyte / 2, end: whole.length - mebibyte / 2 });
  const text = await textOf(path);
  const expected = whole.toString("latin1");
  assert.ok(text.startsWith(expected.slice(0, mebibyte / 2)));
  assert.ok(text.endsWith(expected.slice(-mebibyte / 2)));
  assert.is(text.slice(mebibyte / 2, -mebibyte / 2), ".".repeat(whole.length - mebibyte));
  assert.is(await textOf(path, 3 * mebibyte), text.slice(3 * mebibyte), "resumed inside the gap");
});

test("a stream within its limit is whole, and one with a limit of any size is bounded", async () => {
  for (const bytes of [1, 2, 4095, 70_000]) {
    using folder = temporaryFolder();
    const { path, log } = logIn(folder.path, bytes);
    append(log, Buffer.alloc(bytes, "a"));
    assert.is(readGap(path), null);
    append(log, Buffer.alloc(mebibyte, "b"));
    log.close();
    const tail = bytes - Math.floor(bytes / 2);
    assert.is(await textOf(path), `${"a".repeat(bytes - tail)}${".".repeat(mebibyte)}${"b".repeat(tail)}`);
  }
});

test("no limit, and one that ends the job, free nothing; the latter says how much may come", () => {
  using folder = temporaryFolder();
  const free = logIn(folder.path, 0);
  append(free.log, Buffer.alloc(mebibyte, "a"));
  assert.is(free.log.room, Number.POSITIVE_INFINITY);
  const { path, log } = logIn(folder.path, 100, true);
  assert.is(log.room, 100);
  append(log, Buffer.alloc(60));
  assert.is(log.room, 40);
  append(log, Buffer.alloc(40));
  assert.is(log.room, 0);
  log.close();
  assert.not.ok(existsSync(`${path}.gap`));
});

test("characters that a gap cuts through are of the gap, so that text stays text", async () => {
  using folder = temporaryFolder();
  const { path, log } = logIn(folder.path, 101);
  append(log, Buffer.from("€".repeat(400_000)));
  log.close();
  await using file = await StreamFile.open(path, 0);
  const size = await file.size();
  const seen = [];
  for (let pieces = await file.read(size, true); pieces.length > 0; pieces = await file.read(size, true)) {
    seen.push(...pieces.map(({ bytes, gap, offset }) => [bytes.toString(), gap, offset]));
  }
  assert.equal(seen, [
    ["€".repeat(16), 0, 0],
    ["€".repeat(17), size - 33 * 3, size - 17 * 3],
  ]);
});

test("a reader behind a writer that frees never takes a hole for output", async () => {
  using folder = temporaryFolder();
  const { path, log } = logIn(folder.path, 512 * kibibyte);
  const block = Buffer.alloc(64 * kibibyte, "x");
  await using file = await StreamFile.open(path, 0);
  let seen = 0;
  let gaps = 0;
  for (let round = 0; round < 400; round++) {
    append(log, block);
    const reading = file.read(await file.size(), false);
    for (let more = 0; more < round % 5; more++) append(log, block);
    for (const piece of await reading) {
      assert.not.ok(piece.bytes.includes(0));
      seen += piece.bytes.length;
      gaps += piece.gap;
      assert.is(piece.offset + piece.bytes.length, seen + gaps);
    }
  }
  log.close();
  assert.ok(gaps > 0 && seen > 0);
});

test("a gap's record that is being written over is read again, not believed", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "stdout");
  writeFileSync(`${path}.gap`, "5 12 10");
  assert.is(readGap(path), null);
  writeFileSync(`${path}.gap`, "5 12 12\n");
  assert.equal(readGap(path), { start: 5, end: 12 });
  assert.is(readFileSync(`${path}.gap`, "utf8").length, 8);
});
