import fc from "fast-check";
import * as assert from "uvu/assert";
import { countsBytes, keepsAll, noBounds, overdue, type RetentionSettings } from "../../src/jobs/retention.ts";
import { suite } from "../support/suite.ts";

const test = suite("retention");

function settings(values: Partial<RetentionSettings>): RetentionSettings {
  return { perUser: noBounds, users: {}, total: noBounds, atLeastMs: 0, ...values };
}

function job(id: number, user: string, finishedAtMs: number, bytes = 1) {
  return { id, user, finishedAtMs, bytes };
}

test("age, count and bytes each make the oldest go, of a user and of all", () => {
  const jobs = [job(1, "a", 10, 5), job(2, "b", 20, 5), job(3, "a", 30, 5), job(4, "a", 40, 5)];
  assert.equal(overdue(jobs, settings({}), 1000), []);
  assert.equal(overdue(jobs, settings({ perUser: { ...noBounds, ageMs: 25 } }), 50), [1, 2]);
  assert.equal(overdue(jobs, settings({ perUser: { ...noBounds, count: 1 } }), 50), [1, 3]);
  assert.equal(overdue(jobs, settings({ perUser: { ...noBounds, bytes: 10 } }), 50), [1]);
  assert.equal(overdue(jobs, settings({ total: { ...noBounds, count: 2 } }), 50), [1, 2]);
  assert.equal(overdue(jobs, settings({ users: { b: { count: 1 } }, perUser: { ...noBounds, count: 2 } }), 50), [1]);
  assert.equal(
    overdue(jobs, settings({ perUser: { ...noBounds, count: 1 }, atLeastMs: 25 }), 50),
    [1],
    "3 ended too lately",
  );
});

test("H04 a job that ended later than now, for the clock was set back, counts like any other", () => {
  const jobs = [job(1, "a", 990), job(2, "a", 5000), job(3, "a", 6000), job(4, "a", 1001)];
  const bounds = settings({ perUser: { ...noBounds, count: 1, ageMs: 100 }, atLeastMs: 60 });
  assert.equal(overdue(jobs, bounds, 1000), [2], "the others ended just now, or are the newest");
});

test("one user's flood costs no other user's jobs where users have bounds of their own", () => {
  const flood = Array.from({ length: 100 }, (_, i) => job(i + 2, "a", 100 + i));
  const gone = overdue([job(1, "b", 1), ...flood], settings({ perUser: { ...noBounds, count: 10 } }), 1000);
  assert.is(gone.length, 90);
  assert.not(gone.includes(1));
});

test("what stays keeps the bounds, and nothing goes that could stay", () => {
  const jobs = fc.array(fc.record({ user: fc.constantFrom("a", "b"), at: fc.nat(100), bytes: fc.nat(20) }));
  fc.assert(
    fc.property(jobs, fc.nat(5), fc.nat(60), (list, count, bytes) => {
      const all = list.map(({ user, at, bytes: size }, i) => job(i + 1, user, at, size));
      const gone = new Set(overdue(all, settings({ perUser: { ageMs: 0, count, bytes } }), 200));
      for (const user of ["a", "b"]) {
        const kept = all.filter((each) => each.user === user && !gone.has(each.id));
        assert.ok(count === 0 || kept.length <= count);
        assert.ok(bytes === 0 || kept.reduce((sum, each) => sum + each.bytes, 0) <= bytes);
        for (const each of all.filter(({ id }) => gone.has(id))) {
          if (each.user !== user) continue;
          const newer = kept.filter(({ finishedAtMs }) => finishedAtMs >= each.finishedAtMs);
          const full =
            (count > 0 && newer.length >= count) || newer.reduce((sum, k) => sum + k.bytes, each.bytes) > bytes;
          assert.ok(full, "it had room");
        }
      }
    }),
  );
});

test("nothing is measured where nothing is bounded", () => {
  assert.is(keepsAll(settings({})), true);
  assert.is(keepsAll(settings({ users: { a: { count: 1 } } })), false);
  assert.is(countsBytes(settings({ total: { ...noBounds, count: 1 } })), false);
  assert.is(countsBytes(settings({ users: { a: { bytes: 1 } } })), true);
});
