import * as fc from "fast-check";
import * as assert from "uvu/assert";
import { AddressPlan } from "../../net/address-pool.ts";
import { NetworkError } from "../../net/errors.ts";
import { jobPolicy, type PolicyRequest, serverPolicy } from "../../net/policy.ts";
import { bridgeAddition, jobAddition, jobRemoval, type RulesetInput, ruleset } from "../../net/ruleset.ts";
import { suite } from "../support/suite.ts";

const test = suite("ruleset");
const server = serverPolicy({ deny: ["private"], permit: ["10.0.0.53:53"] });
const plan = new AddressPlan({ subnet: "10.9.0.0/28", prefix6: "fd00:9::/48" });
const input: RulesetInput = { tag: "1a2b3c4d", plan, server, bridges: 1, jobs: new Map() };

const byte = fc.nat(255);
const cidr4 = fc
  .tuple(fc.integer({ min: 1, max: 99 }), byte, byte, byte, fc.nat(32))
  .map(([a, b, c, d, length]) => `${a}.${b}.${c}.${d}/${length}`);
const cidr6 = fc.tuple(fc.nat(0xffff), fc.nat(128)).map(([group, length]) => `2001:${group.toString(16)}::1/${length}`);
const port = fc.integer({ min: 1, max: 65_535 });
const target = fc.oneof(
  cidr4,
  cidr6,
  fc.tuple(cidr4, port).map(([cidr, of]) => `${cidr}:${of}`),
  fc.tuple(cidr6, port).map(([cidr, of]) => `[${cidr}]:${of}`),
);
const publish = fc.tuple(port, port, fc.constantFrom("", "/udp")).map(([host, job, proto]) => `${host}:${job}${proto}`);
const request: fc.Arbitrary<PolicyRequest> = fc.record({
  allow: fc.array(target, { maxLength: 6 }),
  deny: fc.array(fc.oneof(cidr4, cidr6), { maxLength: 6 }),
  publish: fc.uniqueArray(publish, { maxLength: 4, selector: (text) => text.split(":")[0] ?? "" }),
});

/** A policy, or null where the server refuses it. */
function policyOf(of: PolicyRequest) {
  try {
    return jobPolicy(of, server);
  } catch (error) {
    if (error instanceof NetworkError) return null;
    throw error;
  }
}

function elementsOf(text: string): string[] {
  return [...text.matchAll(/element (inet|bridge) (\S+) (\S+) \{ (.*) \}/g)].flatMap(([, family, table, set, items]) =>
    (items ?? "").split(", ").map((item) => `${family} ${table} ${set} ${item}`),
  );
}

const additions = /^(add element inet podium_1a2b3c4d [a-z0-9_]+ \{ [0-9a-z.:/, ]+ \}\n)*$/;

function checkAddition(of: PolicyRequest, slot: number): void {
  const policy = policyOf(of);
  if (policy === null) return;
  const added = jobAddition(input, slot, policy);
  assert.equal(elementsOf(added), elementsOf(jobRemoval(input, slot, policy)));
  const { address, address6 } = plan.slot(slot);
  for (const element of elementsOf(added)) {
    const words = element.split(" ").slice(3);
    assert.ok(words.includes(address) || words.includes(address6 ?? "none"), element);
  }
  assert.match(added, additions);
}

test("a job's rules are elements of its own address only, and removing takes exactly what adding brought", () => {
  const slot = fc.nat(plan.capacity - 1);
  return fc.assert(fc.property(request, slot, checkAddition), { numRuns: 500 });
});

test("the number of rules does not depend on the number of jobs", () => {
  const rules = (text: string) => text.split("\n").filter((line) => !line.includes(" element ")).length;
  const none = rules(ruleset(input));
  return fc.assert(
    fc.property(fc.array(request, { maxLength: 13 }), (requests) => {
      const jobs = new Map(
        requests.flatMap((of, slot) => (policyOf(of) === null ? [] : [[slot, jobPolicy(of, server)]])),
      );
      assert.is(rules(ruleset({ ...input, jobs })), none);
    }),
    { numRuns: 50 },
  );
});

test("no two jobs and no slot share an entry of a bridge", () => {
  const entries = elementsOf(bridgeAddition(input, 0)).filter((element) => element.includes(" own"));
  assert.is(entries.length, 2 * plan.capacity);
  assert.is(new Set(entries).size, entries.length);
});

function checkText(text: string, field: string): void {
  const policy = policyOf({ allow: [], deny: [], publish: [], [field]: [text] });
  if (policy !== null) assert.match(jobAddition(input, 0, policy), additions);
}

test("arbitrary text in a request is refused or harmless", () => {
  const field = fc.constantFrom("allow", "deny", "publish");
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f.:/[\]\n}; ]{1,24}$/));
  return fc.assert(fc.property(text, field, checkText), { numRuns: 2000 });
});
