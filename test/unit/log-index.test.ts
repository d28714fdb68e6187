import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { LogIndex } from "../../sandbox/init/log-index.ts";
import { LogIndexReader, progressBefore } from "../../src/jobs/log-index.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("log index");

function indexIn(folder: string, capacity?: number): LogIndex {
  const index = LogIndex.open(folder, capacity);
  if (index === null) throw new Error("no index");
  return index;
}

/** Runs `body` with a clock that it sets. */
function withClock(body: (at: (ms: number) => void) => void): void {
  const { now } = Date;
  let time = 1_000_000;
  Date.now = () => time;
  try {
    body((ms) => {
      time = ms;
    });
  } finally {
    Date.now = now;
  }
}

function offsets(folder: string): (readonly [number, number, number])[] {
  using reader = new LogIndexReader(folder);
  return (reader.take() ?? []).map(({ timeMs, stdout, stderr }) => [timeMs, stdout, stderr] as const);
}

test("S11 it tells when and in which order the streams grew; a burst of one stream shares a record", () => {
  using folder = temporaryFolder();
  withClock((at) => {
    const index = indexIn(folder.path);
    at(1000);
    index.note(5, 0);
    index.note(9, 0);
    at(1009);
    index.note(12, 0);
    index.note(12, 4);
    index.note(14, 4);
    index.note(14, 4);
    at(1030);
    index.note(2 ** 33, 4);
    index.close();
  });
  assert.equal(offsets(folder.path), [
    [1000, 12, 0],
    [1009, 12, 4],
    [1009, 14, 4],
    [1030, 2 ** 33, 4],
  ]);
  assert.equal(progressBefore(folder.path, 1009), { timeMs: 1000, stdout: 12, stderr: 0 });
  assert.equal(progressBefore(folder.path, 1000), { stdout: 0, stderr: 0 });
  assert.is(readFileSync(join(folder.path, "log-index"), "latin1").slice(0, 18), "podium log-index 1");
});

test("H04 the index does not go back when the clock does", () => {
  using folder = temporaryFolder();
  withClock((at) => {
    const index = indexIn(folder.path);
    at(5000);
    index.note(1, 0);
    at(2000);
    index.note(1, 1);
    at(6000);
    index.note(2, 1);
    index.close();
  });
  assert.equal(
    offsets(folder.path).map(([time]) => time),
    [5000, 5000, 6000],
  );
});

test("it is bounded: a full one loses every second record and no byte, and readers find the new file", () => {
  using folder = temporaryFolder();
  using reader = new LogIndexReader(folder.path);
  withClock((at) => {
    const index = indexIn(folder.path, 64);
    const written = [0, 0];
    for (let n = 0; n < 5000; n++) {
      at(1000 + n);
      written[n % 2] = (written[n % 2] ?? 0) + 1;
      index.note(written[0] ?? 0, written[1] ?? 0);
      if (n % 37 === 0) reader.take();
    }
    index.close();
  });
  const records = offsets(folder.path);
  assert.ok(records.length > 8 && records.length <= 64, `${records.length} records`);
  assert.equal(records.at(-1)?.slice(1), [2500, 2500]);
  for (const [i, [time, stdout, stderr]] of records.entries()) {
    const [before = 0, out = 0, err = 0] = records[i - 1] ?? [];
    assert.ok(time >= before && stdout >= out && stderr >= err);
    assert.ok(time - 1000 >= stdout + stderr - 1200, "no byte is told to be much older or younger than it is");
  }
  assert.is(reader.take()?.at(-1)?.stdout, 2500);
  assert.not.ok(existsSync(join(folder.path, "log-index.next")));
});

test("a reader gets each record once, and the last one again while it grows", () => {
  using folder = temporaryFolder();
  using reader = new LogIndexReader(folder.path);
  assert.is(reader.take(), null);
  withClock((at) => {
    const index = indexIn(folder.path);
    assert.equal(reader.take(), []);
    at(1000);
    index.note(1, 0);
    index.note(1, 1);
    assert.equal(
      reader.take()?.map(({ stderr }) => stderr),
      [0, 1],
    );
    index.note(1, 5);
    at(2000);
    index.note(2, 5);
    assert.equal(
      reader.take()?.map(({ stdout, stderr }) => [stdout, stderr]),
      [
        [1, 5],
        [2, 5],
      ],
    );
    assert.equal(reader.take()?.length, 1);
    index.close();
  });
});

test("an index that cannot be written is none: the streams are read as they are", () => {
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, "file"), "");
  assert.is(LogIndex.open(join(folder.path, "file")), null);
  assert.is(progressBefore(folder.path, 1), null);
});
