import { appendFileSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { LogIndex } from "../../sandbox/init/log-index.ts";
import { type LogPiece, type LogRange, readLog } from "../../src/jobs/log-reader.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const test = suite("log reader");

const never = new AbortController().signal;

interface Range extends Omit<LogRange, "from"> {
  readonly offset: number;
}

/** Piece by piece: their bytes are good until the next are asked for. */
async function* piecesOf(...reading: Parameters<typeof readLog>): AsyncGenerator<LogPiece> {
  for await (const pieces of readLog(...reading)) yield* pieces;
}

/** What a reader has got so far, and all of it in the end. */
interface Reading extends Promise<string[]> {
  readonly soFar: readonly string[];
}

function reading(read: (pieces: string[]) => Promise<void>): Reading {
  const soFar: string[] = [];
  return Object.assign(
    read(soFar).then(() => soFar),
    { soFar },
  );
}

function collect(folder: string, range: Partial<Range>, ended: Promise<void>, signal = never): Reading {
  return reading((pieces) => collectInto(pieces, folder, range, ended, signal));
}

/** A promise that its test resolves: the end of the job. */
function end(): { readonly ended: Promise<void>; readonly now: () => void } {
  let now = () => {};
  const ended = new Promise<void>((resolve) => {
    now = resolve;
  });
  return { ended, now };
}

async function collectInto(
  pieces: string[],
  folder: string,
  wanted: Partial<Range>,
  ended: Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let next: number | null = null;
  const { offset: from = 0, ...rest } = wanted;
  const range = { from: { stdout: from }, snapshot: false, ...rest };
  for await (const { offset, bytes } of piecesOf(folder, range, ended, signal)) {
    assert.ok(bytes.length > 0 && bytes.length <= 64 * 1024);
    assert.ok(next === null || next === offset, "no gap");
    next = offset + bytes.length;
    pieces.push(bytes.toString("latin1"));
  }
}

function logIn(folder: string, text: string | Buffer): string {
  const path = join(folder, "stdout");
  writeFileSync(path, text);
  return path;
}

test("the log of an ended job is read whole, from any offset", async () => {
  using folder = temporaryFolder();
  logIn(folder.path, "hello world");
  assert.equal(await collect(folder.path, {}, Promise.resolve()), ["hello world"]);
  assert.equal(await collect(folder.path, { offset: 6 }, Promise.resolve()), ["world"]);
  assert.equal(await collect(folder.path, { offset: 11 }, Promise.resolve()), []);
  assert.equal(await collect(folder.path, { offset: 4000 }, Promise.resolve()), []);
});

test("what is written while one follows arrives, up to what was written just before the end", async () => {
  using folder = temporaryFolder();
  const path = logIn(folder.path, "a");
  const job = end();
  const following = collect(folder.path, {}, job.ended);
  for (const [before, text] of [
    ["a", "b"],
    ["ab", "c"],
  ] as const) {
    await until(before, () => following.soFar.join("") === before);
    appendFileSync(path, text);
  }
  await until("abc", () => following.soFar.join("") === "abc");
  appendFileSync(path, "d");
  job.now();
  assert.is((await following).join(""), "abcd");
});

test("an offset beyond the end waits until the file gets there", async () => {
  using folder = temporaryFolder();
  const path = logIn(folder.path, "abc");
  const job = end();
  const following = collect(folder.path, { offset: 5 }, job.ended);
  await sleep(20);
  appendFileSync(path, "defgh");
  await until("it is there", () => following.soFar.length > 0);
  job.now();
  assert.is((await following).join(""), "fgh");
});

test("a snapshot ends where the file ended when it began", async () => {
  using folder = temporaryFolder();
  const path = logIn(folder.path, Buffer.alloc(200_000, "x"));
  let length = 0;
  const range = { from: { stdout: 0 }, snapshot: true };
  for await (const { bytes } of piecesOf(folder.path, range, new Promise(() => {}), never)) {
    length += bytes.length;
    appendFileSync(path, Buffer.alloc(100_000, "y"));
  }
  assert.is(length, 200_000);
});

test("a character is held back until it is whole, or until nothing can follow", async () => {
  using folder = temporaryFolder();
  const path = logIn(folder.path, Buffer.from([0x61, 0xe2, 0x82]));
  const job = end();
  const following = collect(folder.path, {}, job.ended);
  await until("a", () => following.soFar.length === 1);
  appendFileSync(path, Buffer.from([0xac, 0xc3]));
  await until("€", () => following.soFar.length === 2);
  job.now();
  assert.equal(await following, ["a", "\xe2\x82\xac", "\xc3"]);
});

test("an aborted reader ends at once and leaves no descriptor", async () => {
  using folder = temporaryFolder();
  logIn(folder.path, "abc");
  const files = () => readdirSync("/proc/self/fd").length;
  await collect(folder.path, {}, Promise.resolve());
  const before = files();
  const gone = new AbortController();
  const following = Array.from({ length: 20 }, () => collect(folder.path, {}, new Promise(() => {}), gone.signal));
  await until("the readers have opened the file", () => files() > before + 10);
  await until("and have read it", () => following.every(({ soFar }) => soFar.length === 1));
  gone.abort();
  assert.equal(new Set((await Promise.all(following)).map((pieces) => pieces.join(""))), new Set(["abc"]));
  await until(`as many descriptors as the ${before} before`, () => files() <= before + 2);
});

/** A job folder as init fills it. */
class Writer {
  readonly #folder: string;
  readonly #sizes = { stdout: 0, stderr: 0 };
  readonly #index: LogIndex | null;

  constructor(folder: string) {
    this.#folder = folder;
    for (const name of ["stdout", "stderr"]) writeFileSync(join(folder, name), "");
    this.#index = LogIndex.open(folder);
  }

  write(stream: "stdout" | "stderr", text: string): void {
    appendFileSync(join(this.#folder, stream), text);
    this.#sizes[stream] += text.length;
    this.#index?.note(this.#sizes.stdout, this.#sizes.stderr);
  }

  close(): void {
    this.#index?.close();
  }
}

function merged(folder: string, range: Partial<LogRange>, ended = Promise.resolve()): Reading {
  const whole = { from: { stdout: 0, stderr: 0 }, snapshot: false, ...range };
  return reading(async (texts) => {
    for await (const { stream, bytes } of piecesOf(folder, whole, ended, never)) texts.push(`${stream}: ${bytes}`);
  });
}

test("S11 both streams come in the order in which they were written, from any offsets", async () => {
  using folder = temporaryFolder();
  const job = new Writer(folder.path);
  const over = end();
  const live = merged(folder.path, {}, over.ended);
  for (let n = 0; n < 3; n++) {
    job.write("stderr", `e${n}`);
    job.write("stdout", `o${n}`);
    await sleep(n * 15);
  }
  const all = ["stderr: e0", "stdout: o0", "stderr: e1", "stdout: o1", "stderr: e2", "stdout: o2"];
  job.close();
  over.now();
  assert.equal(await live, all);
  assert.equal(await merged(folder.path, {}), all);
  assert.equal(await merged(folder.path, { from: { stdout: 2, stderr: 3 } }), [
    "stderr: 1",
    "stdout: o1",
    "stderr: e2",
    "stdout: o2",
  ]);
  assert.equal(await merged(folder.path, { from: { stdout: 0 } }), ["stdout: o0o1o2"]);
});

test("S11 two streams by turns, each longer than two reads, are given whole, in order and at their offsets", async () => {
  using folder = temporaryFolder();
  const job = new Writer(folder.path);
  const wrote: string[] = [];
  for (let n = 0; n < 3000; n++) {
    for (const stream of ["stdout", "stderr"] as const) {
      const text = `${n} `.repeat(1 + ((n * 7) % 100));
      job.write(stream, text);
      wrote.push(`${stream}: ${text}`);
    }
  }
  job.close();
  const got = await merged(folder.path, {});
  assert.is(got.length, wrote.length);
  assert.is(
    got.find((piece, n) => piece !== wrote[n]),
    undefined,
  );
  const offset = 300_000;
  const rest = (await merged(folder.path, { from: { stderr: offset } })).join("").replaceAll("stderr: ", "");
  assert.ok(rest === readFileSync(join(folder.path, "stderr"), "latin1").slice(offset));
});

test("S11 with times each piece has its own; `untilMs` ends a follow at its time", async () => {
  using folder = temporaryFolder();
  const job = new Writer(folder.path);
  job.write("stdout", "a");
  await sleep(30);
  const middle = Date.now();
  await sleep(30);
  job.write("stdout", "b");
  const times: number[] = [];
  const range = { from: { stdout: 0 }, snapshot: true, timed: true };
  for await (const { timeMs } of piecesOf(folder.path, range, new Promise(() => {}), never)) times.push(timeMs);
  assert.is(times.length, 2);
  assert.ok((times[0] ?? 0) < middle && (times[1] ?? 0) > middle);
  assert.equal(await merged(folder.path, { untilMs: middle }, new Promise(() => {})), ["stdout: a"]);
  const soon = merged(folder.path, { untilMs: Date.now() + 1000 }, new Promise(() => {}));
  await sleep(20);
  job.write("stderr", "c");
  assert.equal(await soon, ["stdout: ab", "stderr: c"]);
  job.close();
});

test("a log whose index is lost in the middle is followed on", async () => {
  using folder = temporaryFolder();
  const job = new Writer(folder.path);
  const over = end();
  const following = merged(folder.path, {}, over.ended);
  job.write("stdout", "a");
  await until("a", () => following.soFar.length === 1);
  unlinkSync(join(folder.path, "log-index"));
  await sleep(30);
  appendFileSync(join(folder.path, "stdout"), "b");
  await until("b", () => following.soFar.length === 2);
  appendFileSync(join(folder.path, "stderr"), "c");
  await until("c", () => following.soFar.length === 3);
  over.now();
  assert.equal((await following).join(" "), "stdout: a stdout: b stderr: c");
  job.close();
});
