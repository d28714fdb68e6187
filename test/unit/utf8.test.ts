import * as assert from "uvu/assert";
import { wholeCharacters } from "../../src/jobs/utf8.ts";
import { suite } from "../support/suite.ts";

const test = suite("cutting UTF-8");

function cutOf(...bytes: number[]): number {
  return wholeCharacters(Uint8Array.from(bytes));
}

test("whole characters stay whole", () => {
  for (const text of ["", "a", "é", "€", "😀", "a😀"]) {
    const bytes = Buffer.from(text);
    assert.is(wholeCharacters(bytes), bytes.length, text);
  }
});

test("the beginning of a character is held back", () => {
  for (const text of ["é", "€", "😀"]) {
    const bytes = Buffer.from(`ab${text}`);
    for (let length = 3; length < bytes.length; length++)
      assert.is(wholeCharacters(bytes.subarray(0, length)), 2, text);
  }
});

test("what can be no character is not held back", () => {
  assert.is(cutOf(0x61, 0xff), 2);
  assert.is(cutOf(0xc0), 1);
  assert.is(cutOf(0xc1), 1);
  assert.is(cutOf(0xf5), 1);
  assert.is(cutOf(0x80), 1);
  assert.is(cutOf(0x80, 0x80, 0x80), 3);
  assert.is(cutOf(0xe2, 0x82, 0xac, 0x80), 4);
  assert.is(cutOf(0xe0, 0x80), 2, "too long a spelling");
  assert.is(cutOf(0xed, 0xa0), 2, "half of a surrogate pair");
  assert.is(cutOf(0xf0, 0x80), 2);
  assert.is(cutOf(0xf4, 0x90), 2, "beyond U+10FFFF");
});
