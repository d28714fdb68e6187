import fc from "fast-check";
import * as assert from "uvu/assert";
import { wholeCharacters } from "../../src/jobs/utf8.ts";
import { suite } from "../support/suite.ts";

const test = suite("cutting UTF-8");

/** The text of a stream that arrives in chunks, decoded message by message as a client with `string` fields does. */
function decodedPieces(chunks: readonly Uint8Array[]): string[] {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const pieces: string[] = [];
  let held = Buffer.alloc(0);
  for (const chunk of chunks) {
    const bytes = Buffer.concat([held, chunk]);
    const cut = wholeCharacters(bytes);
    assert.ok(bytes.length - cut <= 3, "at most three bytes wait");
    if (cut > 0) pieces.push(decoder.decode(bytes.subarray(0, cut)));
    held = bytes.subarray(cut);
  }
  if (held.length > 0) pieces.push(decoder.decode(held));
  return pieces;
}

function wholeText(chunks: readonly Uint8Array[]): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.concat(chunks));
}

function chunksOf(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) => bytes.subarray(n * size, (n + 1) * size));
}

test("any text in any chunks is the text, message by message", () => {
  const property = fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 1, max: 9 }), (text, size) => {
    const pieces = decodedPieces(chunksOf(Buffer.from(text), size));
    assert.is(pieces.join(""), text);
    assert.ok(pieces.every((piece) => text.includes("\ufffd") || !piece.includes("\ufffd")));
  });
  fc.assert(property, { numRuns: 2000 });
});

/** Bytes that are likely to begin, go on or break a character. */
const byte = fc.oneof(
  fc.constantFrom(0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xe0, 0xe2, 0xed, 0xf0, 0xf3, 0xf4, 0xf5, 0xff),
  fc.nat(255),
);

test("any bytes in any chunks decode as they do in one piece", () => {
  const chunk = fc.array(byte, { maxLength: 6 }).map((bytes) => Uint8Array.from(bytes));
  const property = fc.property(fc.array(chunk, { maxLength: 12 }), (chunks) => {
    assert.is(decodedPieces(chunks).join(""), wholeText(chunks));
  });
  fc.assert(property, { numRuns: 5000 });
});
