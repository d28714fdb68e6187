import { isIPv6 } from "node:net";
import * as fc from "fast-check";
import * as assert from "uvu/assert";
import {
  type Address,
  addressFromBytes,
  bytesOf,
  type Cidr,
  cidrOf,
  contains,
  formatAddress,
  formatCidr,
  overlaps,
  parseAddress,
  parseCidr,
  widthOf,
} from "../../net/addresses.ts";
import { outermost } from "../../net/policy.ts";
import { suite } from "../support/suite.ts";

const test = suite("addresses and blocks");

const address: fc.Arbitrary<Address> = fc.oneof(
  fc.bigInt(0n, 2n ** 32n - 1n).map((value) => ({ family: 4 as const, value })),
  fc.bigInt(0n, 2n ** 128n - 1n).map((value) => ({ family: 6 as const, value })),
  fc.array(fc.constantFrom(0n, 0n, 0n, 1n, 0xffffn), { minLength: 8, maxLength: 8 }).map((groups) => ({
    family: 6 as const,
    value: groups.reduce<bigint>((value, group) => (value << 16n) | group, 0n),
  })),
);
const cidr: fc.Arbitrary<Cidr> = address.chain((of) => fc.nat(widthOf[of.family]).map((length) => cidrOf(of, length)));
/** Few distinct bits, so that blocks do lie within one another. */
const narrow: fc.Arbitrary<Cidr> = fc
  .tuple(fc.nat(15), fc.nat(4))
  .map(([value, length]) => cidrOf({ family: 4, value: BigInt(value) << 28n }, length));

test("an address is what its text says, and the text is the canonical one", () => {
  return fc.assert(
    fc.property(address, (of) => {
      assert.equal(parseAddress(formatAddress(of)), of);
      assert.equal(addressFromBytes(bytesOf(of)), of);
      if (of.family === 6) assert.is(formatAddress(of), new URL(`http://[${formatAddress(of)}]`).hostname.slice(1, -1));
    }),
    { numRuns: 1000 },
  );
});

test("every spelling of IPv6 that Node takes is understood", () => {
  for (const text of [
    "::",
    "::1",
    "1::",
    "1::8",
    "1:2:3:4:5:6:7::",
    "::2:3:4:5:6:7:8",
    "::ffff:192.0.2.1",
    "2001:DB8::1",
  ]) {
    assert.ok(isIPv6(text));
    assert.is(formatAddress(parseAddress(text) as Address), new URL(`http://[${text}]`).hostname.slice(1, -1), text);
  }
});

test("a block is what its text says", () => {
  return fc.assert(fc.property(cidr, (of) => assert.equal(parseCidr(formatCidr(of)), of)));
});

test("any text is a block or none, and never throws", () => {
  return fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f.:/]{1,30}$/)), (text) => {
      const of = parseCidr(text);
      if (of !== null) assert.equal(parseCidr(formatCidr(of)), of);
    }),
    { numRuns: 2000 },
  );
});

test("two blocks overlap exactly when one holds the other", () => {
  return fc.assert(
    fc.property(narrow, narrow, (a, b) => {
      const members = (of: Cidr) =>
        Array.from({ length: 16 }, (_, i) => i).filter((i) =>
          contains(of, cidrOf({ family: 4, value: BigInt(i) << 28n }, 32)),
        );
      const shared = members(a).some((i) => members(b).includes(i));
      assert.is(overlaps(a, b), shared);
    }),
  );
});

test("the outermost blocks cover the same addresses and no two overlap", () => {
  return fc.assert(
    fc.property(fc.array(narrow, { maxLength: 12 }), (blocks) => {
      const kept = outermost(blocks);
      const covered = (of: readonly Cidr[], i: number) =>
        of.some((block) => contains(block, cidrOf({ family: 4, value: BigInt(i) << 28n }, 32)));
      for (let i = 0; i < 16; i++) assert.is(covered(kept, i), covered(blocks, i));
      for (const [i, a] of kept.entries()) assert.not.ok(kept.slice(i + 1).some((b) => overlaps(a, b)));
    }),
  );
});
