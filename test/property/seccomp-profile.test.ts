import fc from "fast-check";
import * as assert from "uvu/assert";
import { ProfileError } from "../../sandbox/seccomp/errors.ts";
import { parseProfile, readProfile } from "../../sandbox/seccomp/profile.ts";
import { suite } from "../support/suite.ts";

const test = suite("seccomp profiles of any shape");

/** True when the profile was taken. Any error but ProfileError passes through. */
function taken(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (!(error instanceof ProfileError)) throw error;
    assert.ok(error.message.startsWith("p.json"), error.message);
    return false;
  }
}

const junk = fc.oneof(
  fc.jsonValue() as fc.Arbitrary<unknown>,
  fc.constantFrom<unknown>(null, "", -1, 1e300, Number.NaN),
);
const orJunk = (good: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 15, arbitrary: good }, { weight: 1, arbitrary: junk });

const action = orJunk(
  fc.constantFrom("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_NOTIFY", "SCMP_ACT_LOG"),
);
const comparison = fc.record(
  {
    index: orJunk(fc.nat(6)),
    value: orJunk(fc.nat()),
    valueTwo: orJunk(fc.constantFrom(0, 1)),
    op: orJunk(fc.constantFrom("SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_LT")),
  },
  { requiredKeys: ["index", "value", "op"] },
);
const conditions = fc.record(
  {
    caps: orJunk(fc.array(orJunk(fc.constantFrom("CAP_SYS_ADMIN")), { maxLength: 2 })),
    arches: orJunk(fc.array(orJunk(fc.constantFrom("amd64")), { maxLength: 2 })),
    minKernel: orJunk(fc.constantFrom("4.8")),
  },
  { requiredKeys: [] },
);
const rule = fc.record(
  {
    names: orJunk(fc.array(orJunk(fc.constantFrom("read", "write")), { minLength: 1, maxLength: 3 })),
    action,
    errnoRet: orJunk(fc.nat(5000)),
    args: orJunk(fc.array(orJunk(comparison), { maxLength: 2 })),
    comment: orJunk(fc.string()),
    includes: orJunk(conditions),
    excludes: orJunk(conditions),
  },
  { requiredKeys: ["names", "action"] },
);
const profile = fc.record(
  {
    defaultAction: action,
    architectures: orJunk(fc.array(orJunk(fc.constantFrom("SCMP_ARCH_X86_64", "SCMP_ARCH_ARM")), { maxLength: 2 })),
    flags: orJunk(fc.array(orJunk(fc.constantFrom("SECCOMP_FILTER_FLAG_TSYNC")), { maxLength: 1 })),
    syscalls: orJunk(fc.array(orJunk(rule), { maxLength: 3 })),
  },
  { requiredKeys: ["defaultAction"] },
);

test("text of any kind is taken or refused by name", () => {
  fc.assert(fc.property(fc.string(), (text) => void taken(() => parseProfile(text, "p.json"))));
});

test("JSON of any kind is taken or refused by name", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => void taken(() => readProfile(value, "p.json"))));
});

test("profiles with mistakes are taken or refused by name, and both happen", () => {
  const seen = new Set<boolean>();
  const check = (value: unknown) => void seen.add(taken(() => readProfile(value, "p.json")));
  fc.assert(fc.property(profile, check), { numRuns: 2000 });
  assert.is(seen.size, 2);
});
