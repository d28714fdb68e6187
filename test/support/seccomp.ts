// Asking a compiled filter about calls by name, in the words of profiles.
import { hostArchitecture } from "../../sandbox/seccomp/architecture.ts";
import { callNumber } from "../../sandbox/seccomp/calls.ts";
import { compileProfile } from "../../sandbox/seccomp/compile.ts";
import { readProfile } from "../../sandbox/seccomp/profile.ts";
import { runFilter } from "./bpf.ts";

const answers: Readonly<Record<number, string>> = {
  2147418112: "ALLOW",
  2147221504: "LOG",
  196608: "TRAP",
  0: "KILL_THREAD",
  2147483648: "KILL_PROCESS",
  2143289344: "NOTIFY",
};

/** A SECCOMP_RET_* value in words: `ALLOW`, `ERRNO 1`, `TRACE 5`, `KILL_PROCESS`. */
export function answerName(value: number): string {
  const named = answers[value];
  if (named !== undefined) return named;
  const data = value & 0xffff;
  if (value - data === 0x00050000) return `ERRNO ${data}`;
  if (value - data === 0x7ff00000) return `TRACE ${data}`;
  throw new Error(`the filter answers 0x${value.toString(16)}, which is no action`);
}

/** What the filter answers to a call of the host by its number. */
export function answerToNumber(program: Uint8Array, number: number, ...args: (number | bigint)[]): string {
  const call = { number, architecture: hostArchitecture().audit, args: args.map(BigInt) };
  return answerName(runFilter(program, call));
}

/** What the filter answers to a call of the host by its name. Throws when the host has no such call. */
export function answer(program: Uint8Array, name: string, ...args: (number | bigint)[]): string {
  const number = callNumber(name);
  if (typeof number !== "number") throw new Error(`this host has no system call ${name}`);
  return answerToNumber(program, number, ...args);
}

/** Compiles a profile given as the object that its JSON holds. */
export function compileObject(profile: unknown, capabilities: readonly string[] = []): Uint8Array {
  return compileProfile(readProfile(profile, "test.json"), { capabilities });
}
