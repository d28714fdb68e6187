import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { LogResponse, LogStream } from "../../src/gen/podium.ts";
import { StreamFile, type StreamPiece } from "../../src/jobs/stream-file.ts";
import { mostBytesOf, writeLogMessage } from "../../src/server/log-message.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("pieces of a log");

/** More than two reads, of characters of one to four bytes, so that each end of a piece falls inside one now and then. */
const text = Buffer.from("a€😀é".repeat(250_000));

/**
 * What is there of the stream at each of these sizes, read piece by piece; `ahead`: more of it may be read than is asked for. The
 * pieces are looked at as late as may be.
 */
async function piecesAt(path: string, offset: number, sizes: readonly number[], ahead: boolean): Promise<Buffer[]> {
  await using file = await StreamFile.open(path, offset);
  const seen: Buffer[] = [];
  const given: StreamPiece[] = [];
  const look = () => {
    for (const piece of given.splice(0)) {
      assert.is(piece.offset, offset + seen.reduce((sum, { length }) => sum + length, 0));
      assert.is(piece.gap, 0);
      seen.push(Buffer.from(piece.bytes));
    }
  };
  const end = sizes.at(-1) ?? 0;
  for (const [i, size] of sizes.entries()) {
    let pieces: readonly StreamPiece[];
    do {
      if (!file.holds(size)) look();
      pieces = await file.read(size, i === sizes.length - 1, ahead ? end : size);
      given.push(...pieces);
      assert.ok(pieces.every(({ offset: begin, bytes }) => begin + bytes.length <= size));
    } while (pieces.length > 0);
  }
  look();
  return seen;
}

test("however a stream grows while it is read, its pieces are the file, at most 64 KiB each, and cut no character", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "stdout");
  writeFileSync(path, text);
  const sizes = fc.array(fc.nat(text.length), { maxLength: 30 });
  const property = fc.asyncProperty(sizes, fc.nat(250_000), fc.boolean(), async (seen, characters, ahead) => {
    const offset = characters * 10;
    const growing = seen.filter((size) => size > offset).toSorted((a, b) => a - b);
    const pieces = await piecesAt(path, offset, [...growing, text.length], ahead);
    assert.ok(Buffer.concat(pieces).equals(text.subarray(offset)));
    assert.ok(pieces.every(({ length }) => length > 0 && length <= 64 * 1024));
    for (const piece of pieces) assert.not.ok(piece.toString().includes("\ufffd"));
  });
  await fc.assert(property, { numRuns: 30 });
});

test("a message is written as the generated code reads it, in no more room than was asked for", () => {
  const bytes = fc
    .tuple(fc.uint8Array({ maxLength: 20 }), fc.constantFrom(0, 1, 60, 1024, 70_000))
    .map(([some, times]) => Buffer.from(Buffer.alloc(some.length * times, some)));
  const whole = fc.nat({ max: Number.MAX_SAFE_INTEGER });
  const stream = fc.constantFrom("stdout" as const, "stderr" as const);
  const piece = fc.record({ bytes, stream, offset: whole, gap: whole, timeMs: fc.oneof(fc.constant(0), whole) });
  const property = fc.property(piece, whole, fc.nat(1000), (made, job, at) => {
    const { timeMs, ...rest } = made;
    const time = timeMs % 8.64e15;
    const room = at + mostBytesOf(made);
    const target = Buffer.alloc(room + 1, 0xff);
    const end = writeLogMessage(target, at, job, { ...rest, timeMs: time });
    assert.ok(end <= room);
    assert.ok(target.subarray(0, at).every((byte) => byte === 0xff) && target[end] === 0xff);
    const value = {
      id: BigInt(job),
      stdout: Buffer.alloc(0),
      stderr: Buffer.alloc(0),
      [made.stream]: made.bytes,
      offset: BigInt(made.offset),
      gap: BigInt(made.gap),
      stream: made.stream === "stdout" ? LogStream.STDOUT : LogStream.STDERR,
      time: time === 0 ? undefined : new Date(time),
    };
    assert.equal(LogResponse.decode(target.subarray(at, end)), { response: { $case: "success", value } });
  });
  fc.assert(property, { numRuns: 200 });
});
