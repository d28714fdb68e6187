import * as assert from "uvu/assert";
import { formatDuration, formatSize, parseDuration, parseSize } from "../../sandbox/units.ts";
import { suite } from "../support/suite.ts";

const test = suite("sizes and durations");

test("sizes are powers of 1024, with or without B", () => {
  const sizes: [string, number][] = [
    ["0", 0],
    ["100", 100],
    ["512K", 524_288],
    ["64M", 67_108_864],
    ["64m", 67_108_864],
    ["64MB", 67_108_864],
    ["64MiB", 67_108_864],
    ["1.5G", 1_610_612_736],
    ["2T", 2 ** 41],
    ["1P", 2 ** 50],
  ];
  for (const [text, bytes] of sizes) assert.is(parseSize(text), bytes, text);
});

test("what is no size is null", () => {
  const wrong = ["", "M", "-1", "+1", "1e3", "0x10", "1,5G", "1.", ".5M", "64 M", "64M ", "64M\n", "8E", "9P", "NaN"];
  for (const text of [...wrong, "Infinity", "9007199254740992", "1٣"]) assert.is(parseSize(text), null, text);
});

test("durations are milliseconds, and a bare number is seconds", () => {
  const durations: [string, number][] = [
    ["500ms", 500],
    ["10s", 10_000],
    ["30", 30_000],
    ["5m", 300_000],
    ["1.5h", 5_400_000],
    ["2d", 172_800_000],
    ["0.25s", 250],
  ];
  for (const [text, milliseconds] of durations) assert.is(parseDuration(text), milliseconds, text);
  for (const text of ["", "s", "-1s", "1 s", "1S", "1min", "1e3", "soon", "9007199254740992"]) {
    assert.is(parseDuration(text), null, text);
  }
});

test("sizes and durations are shown as people write them", () => {
  const sizes: [number, string][] = [
    [0, "0"],
    [1023, "1023"],
    [1024, "1K"],
    [67_108_864, "64M"],
    [1_610_612_736, "1.5G"],
    [1_048_575, "1M"],
    [2 ** 50, "1P"],
  ];
  for (const [bytes, text] of sizes) assert.is(formatSize(bytes), text);
  const durations: [number, string][] = [
    [500, "500ms"],
    [1500, "1.5s"],
    [60_000, "1m"],
    [90_000, "90s"],
    [300_000, "5m"],
  ];
  for (const [milliseconds, text] of durations) assert.is(formatDuration(milliseconds), text);
});
