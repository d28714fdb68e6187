// How a death by filter gets the name of its system call. The wait status of a process that a filter killed does not say
// which call it was, so kill actions are compiled to user notification: the kernel holds the caller, init hears the number
// (init/forbidden-calls.ts) and kills. TRAP too: whether a program handles SIGSYS shows only when it is too late to hear.
import { handOverCall } from "../sys/seccomp-notify.ts";
import { bpf, instruction, seccompData } from "./bpf.ts";
import { callName } from "./calls.ts";

/** SECCOMP_RET_USER_NOTIF of linux/seccomp.h. */
export const userNotification = 0x7fc00000;

const killing: ReadonlySet<string> = new Set([
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_KILL",
  "SCMP_ACT_TRAP",
]);

export function kills(action: string): boolean {
  return killing.has(action);
}

/** Offset of the sixth argument in struct seccomp_data. */
const sixthArgument = 16 + 5 * 8;

/**
 * Instructions before such a filter: the call by which the command waits until init has the listener (sys/seccomp-notify.ts)
 * is notified whatever the profile says. It is getppid with a sixth argument that no program gives.
 */
function handOverPrefix({ number, argument }: { number: number; argument: bigint }): Buffer {
  const words = [argument & 0xffff_ffffn, argument >> 32n].map(Number);
  return Buffer.concat([
    instruction(bpf.loadWord, seccompData.number),
    instruction(bpf.jumpIfEqual, number, 0, 5),
    instruction(bpf.loadWord, sixthArgument),
    instruction(bpf.jumpIfEqual, words[0] ?? 0, 0, 3),
    instruction(bpf.loadWord, sixthArgument + 4),
    instruction(bpf.jumpIfEqual, words[1] ?? 0, 0, 1),
    instruction(bpf.return, userNotification),
  ]);
}

const prefix = handOverPrefix(handOverCall);

/** Whether a program came out of this: it needs a listener. */
export function isNotifying(program: Buffer): boolean {
  return program.subarray(0, prefix.length).equals(prefix);
}

/** The program of a profile that kills, ready to be installed with a listener. */
export function withNotice(program: Buffer): Buffer {
  return Buffer.concat([prefix, program]);
}

const highestCall = 511;

/** Names of the host's system calls by number, "" where there is none: init loads no library to look one up. */
export function callNames(): string[] {
  return Array.from({ length: highestCall + 1 }, (_, number) => callName(number) ?? "");
}
