import { setTimeout } from "node:timers/promises";
import * as assert from "uvu/assert";
import { Deadlines } from "../../sandbox/init/deadlines.ts";
import { suite } from "../support/suite.ts";

const test = suite("deadlines of init");

test("nothing due: poll waits for ever", () => {
  assert.is(new Deadlines(0).untilNextMs(), -1);
});

test("a timeout is due once, and afterwards poll waits for ever again, not for no time", async () => {
  const deadlines = new Deadlines(500);
  assert.is(deadlines.timeoutDue(), false);
  assert.ok(deadlines.untilNextMs() > 0);
  await setTimeout(550);
  assert.equal([deadlines.untilNextMs(), deadlines.timeoutDue(), deadlines.timeoutDue()], [0, true, false]);
  assert.is(deadlines.untilNextMs(), -1);
});

test("the earliest kill wanted stands, and is due once", async () => {
  const deadlines = new Deadlines(0);
  deadlines.killIn(10_000);
  deadlines.killIn(10);
  deadlines.killIn(5000);
  await setTimeout(20);
  assert.equal([deadlines.killDue(), deadlines.killDue(), deadlines.untilNextMs()], [true, false, -1]);
});

test("after an out-of-memory event the count is looked at now, again a little later, and not for ever", async () => {
  const deadlines = new Deadlines(0);
  assert.is(deadlines.oomDue(), false);
  deadlines.watchOom();
  assert.equal([deadlines.oomDue(), deadlines.oomDue()], [true, false]);
  assert.ok(deadlines.untilNextMs() >= 0);
  for (let looks = 0; deadlines.untilNextMs() !== -1; looks++) {
    assert.ok(looks < 200);
    await setTimeout(5);
    deadlines.oomDue();
  }
});

test("H04 a step of the wall clock, back or forward, moves no deadline", async () => {
  const { now } = Date;
  try {
    for (const hours of [-48, 48]) {
      const deadlines = new Deadlines(500);
      const kills = new Deadlines(0);
      kills.killIn(500);
      Date.now = () => now() + hours * 3_600_000;
      assert.equal([deadlines.timeoutDue(), kills.killDue()], [false, false]);
      assert.ok(deadlines.untilNextMs() <= 500 && kills.untilNextMs() <= 500);
      await setTimeout(550);
      assert.equal([deadlines.timeoutDue(), kills.killDue()], [true, true]);
      Date.now = now;
    }
  } finally {
    Date.now = now;
  }
});
