import * as assert from "uvu/assert";
import { ProfileError } from "../../sandbox/seccomp/errors.ts";
import { parseProfile, readProfile } from "../../sandbox/seccomp/profile.ts";
import { suite } from "../support/suite.ts";

const test = suite("seccomp profiles are read strictly");

/** The message with which a profile is refused. */
function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.instance(error, ProfileError);
    return (error as Error).message;
  }
  throw new Error("the profile was taken");
}

function ruleRefusal(rule: unknown): string {
  const good = { names: ["read"], action: "SCMP_ACT_ALLOW" };
  return refusal(() => readProfile({ defaultAction: "SCMP_ACT_ERRNO", syscalls: [good, rule] }, "p.json"));
}

test("reads the OCI form", () => {
  const profile = parseProfile(
    `{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],"flags":[],
      "syscalls":[{"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[
        {"index":0,"value":2114060288,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}]}]}`,
    "p.json",
  );
  assert.equal(profile.defaultAction, { name: "SCMP_ACT_ERRNO", errno: 38 });
  assert.equal(profile.architectures, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]);
  assert.equal(profile.rules[0]?.args, [
    {
      place: "p.json: syscalls[0].args[0]",
      index: 0,
      op: "SCMP_CMP_MASKED_EQ",
      value: 2114060288n,
      valueTwo: 0n,
    },
  ]);
});

test("reads Docker's form", () => {
  const profile = readProfile(
    {
      defaultAction: "SCMP_ACT_ERRNO",
      archMap: [{ architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86"] }],
      syscalls: [
        { name: "read", action: "SCMP_ACT_ALLOW", args: null, comment: "", includes: {}, excludes: {} },
        {
          names: ["ptrace"],
          action: "SCMP_ACT_ALLOW",
          includes: { minKernel: "4.8", arches: ["amd64"] },
          excludes: { caps: ["CAP_SYS_PTRACE"] },
        },
      ],
    },
    "p.json",
  );
  assert.equal(profile.architectures, ["SCMP_ARCH_X86_64"]);
  assert.is(profile.rules[0]?.calls[0]?.name, "read");
  assert.equal(profile.rules[1]?.includes, { capabilities: [], arches: ["amd64"], minKernel: [4, 8] });
  assert.equal(profile.rules[1]?.excludes, { capabilities: ["SYS_PTRACE"], arches: [], minKernel: null });
});

test("ERRNO means EPERM unless an errno is given", () => {
  assert.equal(readProfile({ defaultAction: "SCMP_ACT_ERRNO" }, "p").defaultAction.errno, 1);
  assert.equal(readProfile({ defaultAction: "SCMP_ACT_ALLOW" }, "p").defaultAction.errno, 0);
});

test("refuses what is not JSON, by the file's name", () => {
  assert.match(
    refusal(() => parseProfile("{", "p.json")),
    /^p\.json: is not JSON \(.+\); write an OCI seccomp profile$/,
  );
  assert.is(
    refusal(() => parseProfile("[]", "p.json")),
    "p.json: is a list; write an object",
  );
  assert.match(
    refusal(() => parseProfile(" ".repeat((1 << 20) + 1), "p.json")),
    /^p\.json: has 1048577 characters;/,
  );
});

test("refuses unknown keys by their place", () => {
  const unknown = refusal(() => readProfile({ defaultAction: "SCMP_ACT_ALLOW", sycalls: [] }, "p.json"));
  assert.match(unknown, /^p\.json: sycalls is not a known key|^p\.json: sycalls: is not a known key/);
  const proto = refusal(() => parseProfile('{"defaultAction":"SCMP_ACT_ALLOW","__proto__":{}}', "p.json"));
  assert.match(proto, /^p\.json: __proto__: is not a known key/);
  assert.match(
    ruleRefusal({ names: ["a"], action: "SCMP_ACT_ALLOW", argz: [] }),
    /^p\.json: syscalls\[1\]\.argz: is not/,
  );
});

test("refuses bad fields by their place", () => {
  const allow = "SCMP_ACT_ALLOW";
  const arg = { index: 0, value: 1, op: "SCMP_CMP_EQ" };
  const withArg = (change: object) => ruleRefusal({ names: ["a"], action: allow, args: [{ ...arg, ...change }] });
  const cases: [string, RegExp][] = [
    [ruleRefusal({ names: [], action: allow }), /syscalls\[1\]\.names: is missing or empty/],
    [ruleRefusal({ names: ["a", 3], action: allow }), /syscalls\[1\]\.names\[1\]: is a number; write a string/],
    [ruleRefusal({ name: "a", names: ["b"], action: allow }), /syscalls\[1\]: has both/],
    [ruleRefusal({ names: ["a"] }), /syscalls\[1\]\.action: is missing/],
    [
      ruleRefusal({ names: ["a"], action: "ALLOW" }),
      /syscalls\[1\]\.action: "ALLOW" is no action; use one of SCMP_ACT_KILL/,
    ],
    [
      ruleRefusal({ names: ["a"], action: "SCMP_ACT_NOTIFY" }),
      /syscalls\[1\]\.action: SCMP_ACT_NOTIFY needs a listener/,
    ],
    [
      ruleRefusal({ names: ["a"], action: allow, errnoRet: 1 }),
      /syscalls\[1\]\.errnoRet: has no effect with SCMP_ACT_ALLOW/,
    ],
    [
      ruleRefusal({ names: ["a"], action: "SCMP_ACT_ERRNO", errnoRet: 4096 }),
      /errnoRet: is 4096; write a whole number/,
    ],
    [withArg({ op: "SCMP_CMP_ISH" }), /syscalls\[1\]\.args\[0\]\.op: "SCMP_CMP_ISH" is no comparison/],
    [withArg({ index: 6 }), /syscalls\[1\]\.args\[0\]\.index: is 6; write a whole number from 0 to 5/],
    [withArg({ value: 2 ** 53 }), /syscalls\[1\]\.args\[0\]\.value: is 9007199254740992/],
    [withArg({ value: -1 }), /args\[0\]\.value: is -1/],
    [withArg({ value: undefined }), /args\[0\]\.value: is a undefined|args\[0\]\.value: is missing/],
    [withArg({ valueTwo: 1 }), /args\[0\]\.valueTwo: has no effect with SCMP_CMP_EQ/],
    [withArg({ op: "SCMP_CMP_MASKED_EQ", valueTwo: 2 }), /args\[0\]\.valueTwo: has bits outside the mask/],
    [ruleRefusal({ names: ["a"], action: allow, args: [arg, arg] }), /args\[1\]\.index: argument 0 is compared twice/],
    [
      ruleRefusal({ names: ["a"], action: allow, includes: { caps: ["SYS_ADMIN"] } }),
      /includes\.caps\[0\]: "SYS_ADMIN"/,
    ],
    [ruleRefusal({ names: ["a"], action: allow, excludes: { arches: ["z80"] } }), /excludes\.arches\[0\]: "z80"/],
    [
      ruleRefusal({ names: ["a"], action: allow, includes: { minKernel: "4" } }),
      /includes\.minKernel: "4" is no kernel/,
    ],
  ];
  for (const [message, expected] of cases) assert.match(message, expected);
});

test("refuses unknown architectures, flags that would be lost, and listeners", () => {
  const withFields = (fields: object) =>
    refusal(() => readProfile({ defaultAction: "SCMP_ACT_ALLOW", ...fields }, "p.json"));
  const x86 = "SCMP_ARCH_X86_64";
  assert.match(
    withFields({ architectures: ["SCMP_ARCH_Z80"] }),
    /architectures\[0\]: "SCMP_ARCH_Z80" is no architecture/,
  );
  assert.match(withFields({ architectures: [x86], archMap: [{ architecture: x86 }] }), /archMap: stands beside/);
  assert.match(
    withFields({ flags: ["SECCOMP_FILTER_FLAG_LOG"] }),
    /flags\[0\]: "SECCOMP_FILTER_FLAG_LOG" cannot be given/,
  );
  assert.match(withFields({ listenerPath: "/run/x" }), /listenerPath: names a listener/);
  assert.is(
    readProfile({ defaultAction: "SCMP_ACT_ALLOW", flags: ["SECCOMP_FILTER_FLAG_TSYNC"] }, "p").rules.length,
    0,
  );
});
