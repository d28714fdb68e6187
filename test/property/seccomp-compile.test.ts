import fc from "fast-check";
import * as assert from "uvu/assert";
import { answer, compileObject } from "../support/seccomp.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("compiled seccomp profiles decide as written", { testSeconds: 300 });

/** Calls with the widths of their arguments in bits, from their manual pages. */
const calls = {
  socket: [32, 32, 32],
  ioctl: [32, 32, 64],
  personality: [32],
  fchmodat: [32, 64, 16],
  lseek: [32, 64, 32],
  getpid: [],
} as const satisfies Record<string, readonly number[]>;
type CallName = keyof typeof calls;
const callNames = Object.keys(calls) as CallName[];

/** Strictest first (seccomp(2)). */
const actions = ["KILL_PROCESS", "KILL_THREAD", "TRAP", "ERRNO", "TRACE", "LOG", "ALLOW"] as const;
const operators = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"] as const;

interface Comparison {
  index: number;
  op: (typeof operators)[number];
  value: number;
  valueTwo: number;
}
interface Rule {
  name: CallName;
  action: (typeof actions)[number];
  errno: number;
  args: Comparison[];
}

/** What the profile says, computed without any cleverness. */
function expected(rules: Rule[], otherwise: Rule["action"], name: CallName, registers: bigint[]): string {
  const holds = (comparison: Comparison): boolean => {
    const argument = BigInt.asUintN(calls[name][comparison.index] ?? 0, registers[comparison.index] ?? 0n);
    const value = BigInt(comparison.value);
    switch (comparison.op) {
      case "NE":
        return argument !== value;
      case "LT":
        return argument < value;
      case "LE":
        return argument <= value;
      case "EQ":
        return argument === value;
      case "GE":
        return argument >= value;
      case "GT":
        return argument > value;
      case "MASKED_EQ":
        return (argument & value) === BigInt(comparison.valueTwo);
    }
  };
  const matching = rules.filter((rule) => rule.name === name && rule.args.every(holds));
  for (const action of actions) {
    const rule = matching.find((candidate) => candidate.action === action);
    if (rule !== undefined) return answerOf(action, rule.errno);
  }
  return answerOf(otherwise, 1);
}

/** Kills are left to init, which hears of them. */
function answerOf(action: Rule["action"], errno: number): string {
  if (action === "ERRNO" || action === "TRACE") return `${action} ${errno}`;
  return action === "LOG" || action === "ALLOW" ? action : "NOTIFY";
}

/** Few values, so that rules and calls meet. Two of them reach into the upper half of a 64-bit argument. */
const small = [0, 1, 2, 3, 5, 40, 0x5412, 0xfffe, 0xffff];
const medium = [...small, 0x10000, 0x7e020000, 0x80000000, 0xfffffffe, 0xffffffff];
const large = [...medium, 0x100000000, 0x100000005, 0x1f00000000, 2 ** 52];
const valuesOf = (bits: number) => (bits === 16 ? small : bits === 32 ? medium : large);

function comparisonArbitrary(index: number, bits: number): fc.Arbitrary<Comparison> {
  const value = fc.constantFrom(...valuesOf(bits));
  const operator = fc.constantFrom(...operators, "EQ" as const, "MASKED_EQ" as const);
  return fc.record({ op: operator, value, second: value }).map(({ op, value, second }) => {
    const valueTwo = op === "MASKED_EQ" ? Number(BigInt(value) & BigInt(second)) : 0;
    return { index, op, value, valueTwo };
  });
}

function ruleArbitrary(name: CallName): fc.Arbitrary<Rule> {
  const comparisons = calls[name].map((bits, index) =>
    fc.option(comparisonArbitrary(index, bits), { nil: null, freq: 2 }),
  );
  return fc
    .record({
      action: fc.constantFrom(...actions),
      errno: fc.integer({ min: 2, max: 9 }),
      args: fc.tuple(...comparisons),
    })
    .map(({ action, errno, args }) => ({ name, action, errno, args: args.filter((arg) => arg !== null) }));
}

const rulesArbitrary = fc.array(
  fc.constantFrom(...callNames).chain((name) => ruleArbitrary(name)),
  { minLength: 1, maxLength: 4 },
);

/** A register: a value of the list or beside it, with the upper half clean, dirty or full. */
const registerArbitrary = fc
  .tuple(
    fc.constantFrom(...large),
    fc.constantFrom(-1n, 0n, 1n),
    fc.constantFrom(0n, 1n << 16n, 1n << 32n, 0xffffffffn << 32n),
  )
  .map(([value, beside, upper]) => BigInt.asUintN(64, (BigInt(value) + beside) | upper));
const callArbitrary = fc.record({
  name: fc.constantFrom(...callNames),
  registers: fc.array(registerArbitrary, { minLength: 3, maxLength: 3 }),
});

function profileOf(rules: Rule[], otherwise: Rule["action"]) {
  const syscalls = rules.map(({ name, action, errno, args }) => ({
    names: [name],
    action: `SCMP_ACT_${action}`,
    ...(action === "ERRNO" || action === "TRACE" ? { errnoRet: errno } : {}),
    args: args.map((arg) => ({ ...arg, op: `SCMP_CMP_${arg.op}` })),
  }));
  // Naming a call of a high number keeps the ENOSYS for newer calls away from the calls that are tried.
  const last = { names: ["mseal"], action: "SCMP_ACT_ALLOW" };
  return { defaultAction: `SCMP_ACT_${otherwise}`, syscalls: [...syscalls, last] };
}

/** Profiles whose ranges multiply beyond what a filter can hold are refused by name, which is an answer too. */
function compileOrNull(profile: unknown): Uint8Array | null {
  try {
    return compileObject(profile);
  } catch (error) {
    if (/too intricate|the kernel takes 4096/.test((error as Error).message)) return null;
    throw error;
  }
}

test("a random profile and a random call agree with the plain reading", requires("libseccomp"), () => {
  let compiled = 0;
  let compared = 0;
  const probes = fc.array(callArbitrary, { minLength: 60, maxLength: 60 });
  const property = fc.property(rulesArbitrary, fc.constantFrom(...actions), probes, (rules, otherwise, tried) => {
    const program = compileOrNull(profileOf(rules, otherwise));
    if (program === null) return;
    compiled++;
    compared += rules.filter((rule) => rule.args.length > 0).length;
    for (const { name, registers } of tried) {
      const said = answer(program, name, ...registers);
      assert.is(said, expected(rules, otherwise, name, registers), `${name}(${registers.map((r) => r.toString(16))})`);
    }
  });
  fc.assert(property, { numRuns: 100 });
  assert.ok(compiled > 60, `only ${compiled} of 100 profiles compiled`);
  assert.ok(compared > 60, `only ${compared} rules compared arguments`);
});
