import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { LogResponse, LogStream } from "../../src/gen/podium.ts";
import { StreamFile } from "../../src/jobs/stream-file.ts";
import { encodeLogResponse } from "../../src/server/log-message.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("pieces of a log");

/** More than two reads, of characters of one to four bytes, so that each end of a piece falls inside one now and then. */
const text = Buffer.from("a€😀é".repeat(250_000));

/** What is there of the stream at each of these sizes, read piece by piece. */
async function piecesAt(path: string, offset: number, sizes: readonly number[]): Promise<Buffer[]> {
  await using file = await StreamFile.open(path, offset);
  const pieces: Buffer[] = [];
  for (const [i, size] of sizes.entries()) {
    const last = i === sizes.length - 1;
    for (let piece = await file.read(size, last); piece !== null; piece = await file.read(size, last)) {
      assert.is(piece.offset, offset + pieces.reduce((sum, { length }) => sum + length, 0));
      assert.is(piece.gap, 0);
      pieces.push(piece.bytes);
    }
  }
  return pieces;
}

test("however a stream grows while it is read, its pieces are the file, at most 64 KiB each, and cut no character", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "stdout");
  writeFileSync(path, text);
  const sizes = fc.array(fc.nat(text.length), { maxLength: 6 });
  const property = fc.asyncProperty(sizes, fc.nat(250_000), async (seen, characters) => {
    const offset = characters * 10;
    const growing = seen.filter((size) => size > offset).toSorted((a, b) => a - b);
    const pieces = await piecesAt(path, offset, [...growing, text.length]);
    assert.ok(Buffer.concat(pieces).equals(text.subarray(offset)));
    assert.ok(pieces.every(({ length }) => length > 0 && length <= 64 * 1024));
    for (const piece of pieces) assert.not.ok(piece.toString().includes("\ufffd"));
  });
  await fc.assert(property, { numRuns: 30 });
});

test("a message with the bytes of a stream is what the generated code would have made of it, in another order", () => {
  const bytes = fc
    .tuple(fc.uint8Array({ maxLength: 20 }), fc.constantFrom(0, 1, 60, 1024, 70_000))
    .map(([some, times]) => Buffer.from(Buffer.alloc(some.length * times, some)));
  const whole = fc.bigInt({ min: 0n, max: 2n ** 53n });
  const piece = fc.record({ bytes, stream: fc.constantFrom("stdout", "stderr"), id: whole, offset: whole, gap: whole });
  const property = fc.property(piece, fc.option(fc.date({ noInvalidDate: true, min: new Date(0) })), (made, time) => {
    const { stream, bytes: filled, ...rest } = made;
    const both = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0), [stream]: filled };
    const wire = stream === "stdout" ? LogStream.STDOUT : LogStream.STDERR;
    const value = { ...rest, ...both, stream: wire, time: time ?? undefined };
    const message: LogResponse = { response: { $case: "success", value } };
    const usual = LogResponse.encode(message).finish();
    const encoded = encodeLogResponse(message);
    assert.is(encoded.length, usual.length);
    assert.equal(LogResponse.decode(encoded), LogResponse.decode(usual));
  });
  fc.assert(property, { numRuns: 200 });
});
