// Calls that the author of a profile could not know get ENOSYS: programs and glibc fall back on that, while EPERM for a
// brand-new call breaks them (runc has done the same since 1.0.0-rc93).
import { hostArchitecture } from "./architecture.ts";
import { bpf, instruction, seccompData } from "./bpf.ts";
import { callName } from "./calls.ts";

/** From here on numbers are x32 calls (__X32_SYSCALL_BIT), which the filter itself closes. */
const x32Bit = 0x40000000;

/** Ranges of numbers up to `highest` that belong to no call, each with its last number. */
function gaps(highest: number): { first: number; last: number }[] {
  const found: { first: number; last: number }[] = [];
  for (let number = 0; number <= highest; number++) {
    if (callName(number) !== null) continue;
    const current = found.at(-1);
    if (current?.last === number - 1) current.last = number;
    else found.push({ first: number, last: number });
  }
  return found;
}

/**
 * Instructions to put before a filter: numbers above `highest`, and numbers that no call has, return `code`; everything
 * else runs on into the filter.
 */
export function unknownCallsPrefix(highest: number, code: number): Buffer {
  const ranges = [...gaps(highest), { first: highest + 1, last: x32Bit - 1 }];
  const answer = 4 + ranges.length * 2;
  const program = [
    instruction(bpf.loadWord, seccompData.architecture),
    instruction(bpf.jumpIfEqual, hostArchitecture().audit, 0, answer - 1),
    instruction(bpf.loadWord, seccompData.number),
  ];
  for (const { first, last } of ranges) {
    program.push(instruction(bpf.jumpIfGreaterOrEqual, first, 0, 1));
    program.push(instruction(bpf.jumpIfGreater, last, 0, answer - program.length - 1));
  }
  program.push(instruction(bpf.jump, 1), instruction(bpf.return, code));
  return Buffer.concat(program);
}
