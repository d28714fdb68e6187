import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { decodeLogResponse } from "../../src/client/log-message.ts";
import { FailureCode, LogResponse, LogStream, type LogSuccess } from "../../src/gen/podium.ts";
import type { LogPiece } from "../../src/jobs/log-reader.ts";
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

const bytes = fc
  .tuple(fc.uint8Array({ maxLength: 20 }), fc.constantFrom(0, 1, 60, 1024, 70_000))
  .map(([some, times]) => Buffer.from(Buffer.alloc(some.length * times, some)));
const whole = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const stream = fc.constantFrom("stdout" as const, "stderr" as const);
const timeMs = fc.oneof(
  fc.constant(0),
  whole.map((some) => some % 8.64e15),
);
const logPiece = fc.record({ bytes, stream, offset: whole, gap: whole, timeMs });

function successOf(job: number, piece: LogPiece): LogSuccess {
  return {
    id: BigInt(job),
    stdout: Buffer.alloc(0),
    stderr: Buffer.alloc(0),
    [piece.stream]: piece.bytes,
    offset: BigInt(piece.offset),
    gap: BigInt(piece.gap),
    stream: piece.stream === "stdout" ? LogStream.STDOUT : LogStream.STDERR,
    time: piece.timeMs === 0 ? undefined : new Date(piece.timeMs),
  };
}

test("a message is written as the generated code and the client read it, in no more room than was asked for", () => {
  const property = fc.property(logPiece, whole, fc.nat(1000), (piece, job, at) => {
    const room = at + mostBytesOf(piece);
    const target = Buffer.alloc(room + 1, 0xff);
    const end = writeLogMessage(target, at, job, piece);
    assert.ok(end <= room);
    assert.ok(target.subarray(0, at).every((byte) => byte === 0xff) && target[end] === 0xff);
    const response = { response: { $case: "success", value: successOf(job, piece) } };
    const message = target.subarray(at, end);
    assert.equal(LogResponse.decode(message), response);
    assert.equal(decodeLogResponse(message), response);
  });
  fc.assert(property, { numRuns: 200 });
});

test("the client reads messages in any order of their fields, and of other kinds, as the generated code does", () => {
  const failure = { id: 7n, msg: "x".repeat(2000), code: FailureCode.NOT_FOUND };
  const messages = fc.oneof(
    fc.record({
      $case: fc.constant("success" as const),
      value: fc.tuple(whole, logPiece).map((of) => successOf(...of)),
    }),
    fc.constant({ $case: "failure" as const, value: failure }),
    fc.constant(undefined),
  );
  const property = fc.property(messages, fc.uint8Array({ maxLength: 3 }), bytes, (response, tail, more) => {
    const message = Buffer.from(LogResponse.encode({ response }).finish());
    assert.equal(decodeLogResponse(message), LogResponse.decode(message));
    const both = { ...successOf(1, { ...noPiece, bytes: more }), stderr: more };
    const twice = Buffer.concat([
      message,
      LogResponse.encode({ response: { $case: "success", value: both } }).finish(),
    ]);
    assert.equal(decodeLogResponse(twice), LogResponse.decode(twice));
    const broken = Buffer.concat([message, tail]);
    assert.equal(
      outcomeOf(() => decodeLogResponse(broken)),
      outcomeOf(() => LogResponse.decode(broken)),
    );
  });
  fc.assert(property, { numRuns: 200 });
});

const noPiece: LogPiece = { stream: "stdout", offset: 0, bytes: Buffer.alloc(0), gap: 0, timeMs: 0 };

function outcomeOf(read: () => LogResponse): LogResponse | string {
  try {
    return read();
  } catch (error) {
    return String(error);
  }
}
