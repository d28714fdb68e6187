import * as assert from "uvu/assert";
import { NetworkError } from "../../net/errors.ts";
import { foreignDrops, legacyDrop } from "../../net/foreign-firewall.ts";
import { bucketFor, checkRate, tokenBucket } from "../../net/rate.ts";
import { parseRequired, parseTarget, unreachableText, verdictOf } from "../../net/reachability.ts";
import { suite } from "../support/suite.ts";

const test = suite("reachability, rates and foreign firewalls");

function refused(attempt: () => unknown): NetworkError {
  try {
    attempt();
  } catch (error) {
    if (error instanceof NetworkError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

test("targets of a check are hosts with or without a port", () => {
  assert.equal(parseTarget("target", "example.org:443"), { host: "example.org", port: 443 });
  assert.equal(parseTarget("target", "example.org"), { host: "example.org", port: null });
  assert.equal(parseTarget("target", "192.0.2.1:80"), { host: "192.0.2.1", port: 80 });
  assert.equal(parseTarget("target", "[2001:db8::1]:80"), { host: "2001:db8::1", port: 80 });
  assert.equal(parseTarget("target", "2001:db8::1"), { host: "2001:db8::1", port: null });
  assert.equal(parseTarget("target", "_srv.my-host:1"), { host: "_srv.my-host", port: 1 });
  for (const text of [
    "",
    ":80",
    "a b:80",
    "host:0",
    "host:65536",
    "host:x",
    "192.0.2.256",
    "[example.org]:80",
    "a;b",
  ]) {
    assert.is(refused(() => parseTarget("target", text)).code, "invalid", text);
  }
  assert.is(refused(() => parseRequired("require_reachable[0]", "example.org")).field, "require_reachable[0]");
});

test("verdicts are the four words", () => {
  assert.equal(["ECONNREFUSED", "ETIMEDOUT", "EHOSTUNREACH", "ENOTFOUND", "EACCES"].map(verdictOf), [
    "refused",
    "timeout",
    "unreachable",
    "unreachable",
    "unreachable",
  ]);
  const result = { verdict: "refused", milliseconds: 1.25, address: "192.0.2.1", reason: "ECONNREFUSED" } as const;
  const line = unreachableText("a.example:80", result);
  assert.is(line, "a.example:80 from inside the job: refused (192.0.2.1, ECONNREFUSED)");
});

test("rates out of bounds are refused", () => {
  for (const rate of [-1, 1, 1023, 1.5, Number.NaN, 1e13]) assert.is(refused(() => checkRate(rate)).field, "rate");
  for (const rate of [0, 1024, 5e9]) checkRate(rate);
});

test("a token bucket takes two packets at least and is encoded for the kernel", () => {
  const small = bucketFor(10_000, 1500);
  assert.ok(small.burstBytes >= 3000 && small.queueBytes > small.burstBytes);
  const bytes = tokenBucket({ bytesPerSecond: 6_000_000_000, burstBytes: 100_000, queueBytes: 200_000 });
  assert.is(bytes.readUInt16LE(2), 1);
  assert.is(bytes.readUInt32LE(4 + 8), 0xffffffff);
  assert.is(bytes.readBigUInt64LE(bytes.length - 8), 6_000_000_000n);
});

const chain = (family: string, table: string, name: string, policy?: string) => ({
  chain: { family, table, name, ...(name.startsWith("F") && { type: "filter", hook: "forward", policy }) },
});
const rule = (family: string, table: string, name: string, ...expr: unknown[]) => ({
  rule: { family, table, chain: name, expr },
});
const named = (key: string, right: string) => ({ match: { op: "==", left: { meta: { key } }, right } });

test("Docker's forward policy is found and the mend goes to its user chain", () => {
  const ruleset = [chain("ip", "filter", "FORWARD", "drop"), chain("ip", "filter", "DOCKER-USER")];
  const [found, ...more] = foreignDrops(ruleset, "1a2b3c4d");
  assert.equal(more, []);
  assert.is(found?.chain, "ip filter FORWARD");
  assert.ok(found?.reason.includes("(Docker's)"));
  assert.is(
    found?.mend,
    'nft insert rule ip filter DOCKER-USER iifname "pod-*" accept; nft insert rule ip filter DOCKER-USER oifname "pod-*" accept',
  );
  const mended = [
    ...ruleset,
    rule("ip", "filter", "DOCKER-USER", named("iifname", "pod-*"), { counter: {} }, { accept: null }),
    rule("ip", "filter", "DOCKER-USER", named("oifname", "pod-*"), { accept: null }),
  ];
  assert.equal(foreignDrops(mended, "1a2b3c4d"), []);
  assert.is(foreignDrops(mended.slice(0, 3), "1a2b3c4d").length, 1, "one direction is not enough");
});

test("a closing drop rule is found; open chains and podium's own are not", () => {
  const closed = [chain("inet", "fw", "F", "accept"), rule("inet", "fw", "F", { counter: {} }, { reject: null })];
  assert.is(foreignDrops(closed, "1a2b3c4d").length, 1);
  assert.equal(foreignDrops([chain("inet", "fw", "F", "accept")], "1a2b3c4d"), []);
  assert.equal(foreignDrops([chain("inet", "podium_1a2b3c4d", "F", "drop")], "1a2b3c4d"), []);
  assert.equal(foreignDrops([chain("arp", "fw", "F", "drop")], "1a2b3c4d"), []);
});

test("rules of iptables-legacy are read", () => {
  assert.is(legacyDrop("iptables-legacy", "-P FORWARD DROP\n").length, 1);
  assert.equal(legacyDrop("iptables-legacy", "-P FORWARD ACCEPT\n"), []);
  const mended = "-P FORWARD DROP\n-A FORWARD -i pod-+ -j ACCEPT\n-A FORWARD -o pod-+ -j ACCEPT\n";
  assert.equal(legacyDrop("iptables-legacy", mended), []);
});
