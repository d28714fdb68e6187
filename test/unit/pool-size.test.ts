import * as assert from "uvu/assert";
import { PoolSize } from "../../sandbox/zygote/pool-size.ts";
import { suite } from "../support/suite.ts";

const test = suite("how many jobs wait ready-made");

test("two at rest where requests are expected, none before the first request where they are not", () => {
  assert.is(new PoolSize(32, true).wanted(0), 2);
  const other = new PoolSize(32, false);
  assert.is(other.wanted(0), 0);
  other.came(10);
  assert.is(other.wanted(10), 2);
});

test("as many as came within one second, never more than the bound", () => {
  const size = new PoolSize(8, true);
  for (const at of [0, 100, 200, 300, 400]) size.came(at);
  assert.is(size.wanted(400), 5);
  for (const at of [2000, 2900, 3800]) size.came(at);
  assert.is(size.wanted(3800), 5, "three within each second change nothing");
  for (let at = 5000; at < 5900; at += 10) size.came(at);
  assert.is(size.wanted(5900), 8);
});

test("it falls by halves to two in calm times, and says when", () => {
  const size = new PoolSize(32, true);
  for (let at = 0; at < 900; at += 50) size.came(at);
  assert.is(size.wanted(900), 18);
  assert.is(size.untilFallMs(10_850), 20_000);
  assert.is(size.wanted(30_849), 18);
  assert.is(size.wanted(30_850), 9);
  assert.is(size.wanted(60_850), 4);
  assert.is(size.wanted(200_000), 2);
  assert.is(size.untilFallMs(200_000), -1);
});

test("a bound of none or of one is kept", () => {
  const none = new PoolSize(0, true);
  none.came(1);
  assert.is(none.wanted(1), 0);
  const one = new PoolSize(1, true);
  for (const at of [1, 2, 3]) one.came(at);
  assert.is(one.wanted(3), 1);
  assert.is(one.untilFallMs(3), -1);
});
