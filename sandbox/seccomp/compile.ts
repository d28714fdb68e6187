// From a profile to the BPF program that the kernel runs: names to numbers, rules to disjoint rules, libseccomp to BPF.
import {
  filterAttribute,
  seccompAttributeSet,
  seccompExportBpf,
  seccompInit,
  seccompRelease,
  seccompRuleAdd,
} from "../sys/seccomp.ts";
import { type Action, actionCode } from "./actions.ts";
import { hostArchitecture } from "./architecture.ts";
import { type ArgumentBits, argumentBits } from "./argument-bits.ts";
import { instructionBytes, mostInstructions } from "./bpf.ts";
import { callNumber } from "./calls.ts";
import type { Comparison } from "./comparison.ts";
import { type Circumstances, ruleApplies, runningKernel } from "./conditions.ts";
import { type CallRule, type DisjointRule, disjointRules } from "./decision.ts";
import { refuse } from "./errors.ts";
import { kills, userNotification, withNotice } from "./kill-notice.ts";
import type { Profile } from "./profile.ts";
import { unknownCallsPrefix } from "./unknown-calls.ts";

const ENOSYS: Action = { name: "SCMP_ACT_ERRNO", errno: 38 };
/**
 * i386 (`int 0x80`) and x32 calls end the process whatever the profile says: their numbers mean other calls, so no rule
 * fits them, and a 32-bit program whose every call failed would only run on into nonsense.
 */
const closedEntry: Action = { name: "SCMP_ACT_KILL_PROCESS", errno: 0 };
/** SCMP_FLTATR_CTL_OPTIMIZE: 2 sorts the calls into a binary tree. */
const binaryTree = 2;

interface Call {
  readonly name: string;
  readonly number: number;
  readonly rules: CallRule[];
}

function checkArchitecture(profile: Profile): void {
  const host = hostArchitecture().name;
  if (profile.architectures.length === 0 || profile.architectures.includes(host)) return;
  refuse(`${profile.source}: architectures`, `does not contain ${host}, which this host is; add it`);
}

function numberOf(name: string, place: string): number | null {
  const number = callNumber(name);
  if (number === undefined) {
    refuse(place, `"${name}" is no system call that this host's libseccomp knows; correct the name or remove it`);
  }
  return number;
}

/** Widths of the arguments of a call that is to be compared by them. */
function comparableBits(call: string, args: readonly Comparison[]): readonly ArgumentBits[] {
  const first = args[0];
  if (first === undefined) return [];
  const bits = argumentBits(call);
  if (bits === undefined) {
    refuse(first.place, `podium does not know how wide the arguments of ${call} are; write the rule without args`);
  }
  const beyond = args.find((comparison) => comparison.index >= bits.length);
  if (beyond !== undefined) {
    refuse(`${beyond.place}.index`, `${call} has ${bits.length} arguments, numbered from 0; remove the comparison`);
  }
  return bits;
}

/** The calls of this architecture that the profile names, with the rules that apply to them. */
function callsOf(profile: Profile, circumstances: Circumstances): Call[] {
  const calls = new Map<number, Call>();
  for (const rule of profile.rules) {
    const applies = ruleApplies(rule, circumstances);
    for (const { name, place } of rule.calls) {
      const number = numberOf(name, place);
      if (number === null) continue;
      const call = calls.get(number) ?? { name, number, rules: [] };
      calls.set(number, call);
      if (!applies) continue;
      comparableBits(name, rule.args);
      call.rules.push({ action: rule.action, args: rule.args });
    }
  }
  return [...calls.values()];
}

function refuseSize(profile: Profile, size: string): never {
  refuse(profile.source, `compiles to ${size}, the kernel takes ${mostInstructions}; use masks or fewer ranges`);
}

/** Every call's rules, checked to be few enough before libseccomp, whose time grows with their square, sees them. */
function disjointCalls(calls: readonly Call[], profile: Profile): { number: number; rule: DisjointRule }[] {
  const found: { number: number; rule: DisjointRule }[] = [];
  for (const { name, number, rules } of calls) {
    const place = `${profile.source}: syscall ${name}`;
    for (const rule of disjointRules(rules, argumentBits(name) ?? [], place)) found.push({ number, rule });
    if (found.length > mostInstructions) refuseSize(profile, `more than ${mostInstructions} instructions`);
  }
  return found;
}

/** What the filter answers: a kill is left to init, which can tell of it. */
function answerCode(action: Action): number {
  return kills(action.name) ? userNotification : actionCode(action);
}

function compileCalls(calls: readonly Call[], profile: Profile, notifies: boolean): Buffer {
  const defaultCode = answerCode(profile.defaultAction);
  const context = seccompInit(defaultCode);
  try {
    const closed = notifies ? userNotification : actionCode(closedEntry);
    seccompAttributeSet(context, filterAttribute.badArchitecture, closed);
    seccompAttributeSet(context, filterAttribute.optimize, binaryTree);
    for (const { number, rule } of disjointCalls(calls, profile)) {
      const code = answerCode(rule.action);
      // libseccomp refuses a rule that says what the default says anyway.
      if (code !== defaultCode) seccompRuleAdd(context, code, number, rule.comparisons);
    }
    return seccompExportBpf(context);
  } finally {
    seccompRelease(context);
  }
}

/** Only for profiles that answer the unnamed with an errno: a default that kills or allows keeps its word. */
function prefixOf(calls: readonly Call[], profile: Profile): Buffer {
  const { name, errno } = profile.defaultAction;
  if (name !== "SCMP_ACT_ERRNO" || errno === ENOSYS.errno) return Buffer.alloc(0);
  const highest = Math.max(0, ...calls.map((call) => call.number));
  return unknownCallsPrefix(highest, actionCode(ENOSYS));
}

/**
 * Compiles a profile for this host into `struct sock_filter[]`, 8 bytes each, at most 4096 of them; seccomp(2).
 * `capabilities` are those of the job, with or without `CAP_`. Throws ProfileError for what the profile gets wrong.
 */
export function compileProfile(profile: Profile, job: { readonly capabilities: readonly string[] }): Uint8Array {
  checkArchitecture(profile);
  const calls = callsOf(profile, {
    capabilities: new Set(job.capabilities.map((name) => name.replace(/^CAP_/, ""))),
    architecture: hostArchitecture(),
    kernel: runningKernel(),
  });
  const notifies = [profile.defaultAction, ...calls.flatMap(({ rules }) => rules.map((rule) => rule.action))].some(
    ({ name }) => kills(name),
  );
  const filter = Buffer.concat([prefixOf(calls, profile), compileCalls(calls, profile, notifies)]);
  const program = notifies ? withNotice(filter) : filter;
  const instructions = program.length / instructionBytes;
  if (instructions > mostInstructions) refuseSize(profile, `${instructions} instructions`);
  return program;
}
