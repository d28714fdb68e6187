import { writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { noQuota, quotaOf, refuseImpossible, StartRates } from "../../src/jobs/quotas.ts";
import { readConfig } from "../../src/server/config.ts";
import { governanceOf } from "../../src/server/config-governance.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("quotas");

test("what can never fit is refused by its field, and so is no limit at all where the sum counts", () => {
  const quota = { ...noQuota, cpus: 2, memoryBytes: 100 };
  refuseImpossible(quota, { cpus: 2, memoryBytes: 100 }, "alice");
  refuseImpossible(noQuota, { cpus: 0, memoryBytes: 0 }, "alice");
  assert.throws(
    () => refuseImpossible(quota, { cpus: 3, memoryBytes: 1 }, "alice"),
    /^cpu: 3 exceeds alice's quota of 2 cores; ask for at most 2$/,
  );
  assert.throws(
    () => refuseImpossible(quota, { cpus: 1, memoryBytes: 0 }, "alice"),
    /^mem: without a limit it would exceed alice's quota of 100 bytes of memory; ask for at most 100$/,
  );
});

test("starts within a minute are bounded, of each user and of all", () => {
  const settings = {
    perUser: { ...noQuota, startsPerMinute: 2 },
    users: { eve: { startsPerMinute: 0 } },
    total: { ...noQuota, startsPerMinute: 5 },
  };
  const rates = new StartRates(settings);
  const start = (user: string, at: number) => {
    rates.check(user, at);
    rates.add(user, at);
  };
  start("alice", 0);
  start("alice", 20_000);
  assert.throws(
    () => start("alice", 30_000),
    /^alice has started 2 jobs within a minute, and 2 are allowed; try again in 30 s$/,
  );
  start("bob", 30_000);
  start("alice", 60_000);
  for (const at of [60_001, 60_002]) start("eve", at);
  assert.throws(() => start("eve", 60_003), /^all users together have started 5 jobs within a minute/);
  assert.is(rates.count("alice", 90_000), 1);
});

test("the configuration's overrides change only what they say", () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "podium.json");
  const config = {
    quotas: {
      perUser: { jobs: 4, memory: "4G", disk: "1G" },
      users: { ci: { jobs: 0, cpus: 8 } },
      total: { cpus: 16 },
    },
    queue: { size: 100 },
    retention: { perUser: { age: "7d", count: 50 }, users: { ci: { count: 5 } }, atLeast: "0s" },
  };
  writeFileSync(file, JSON.stringify(config));
  const { quotas, queue, retention } = governanceOf(readConfig(file));
  assert.equal(quotaOf(quotas, "alice"), { ...noQuota, jobs: 4, memoryBytes: 4 * 2 ** 30, diskBytes: 2 ** 30 });
  assert.equal(quotaOf(quotas, "ci"), { ...noQuota, jobs: 0, cpus: 8, memoryBytes: 4 * 2 ** 30, diskBytes: 2 ** 30 });
  assert.equal(quotaOf(quotas, "toString"), quotaOf(quotas, "alice"));
  assert.equal(
    [quotas.total, queue],
    [
      { ...noQuota, cpus: 16 },
      { size: 100, perUser: 0 },
    ],
  );
  assert.equal([retention.users, retention.atLeastMs], [{ ci: { count: 5 } }, 0]);
  writeFileSync(file, '{"quotas": {"users": {"ci": {"job": 1}}}}');
  assert.throws(() => readConfig(file), /quotas\.users\.ci: .*"job"/);
});
