import { constants } from "node:os";
import { close } from "./descriptors.ts";
import { addressOf, check, errno, functionAddress, libc } from "./ffi.ts";
import { sysno } from "./numbers.ts";
import { waitFor } from "./process.ts";

const clone3 = libc("long syscall(long, const uint8_t*, size_t)");
const clone = libc("int clone(uintptr_t, uintptr_t, int, uintptr_t, uint8_t*)");

/** clone3(NULL, 0), which clones nothing: EINVAL where the kernel (5.3) and every filter above know the call, else ENOSYS or EPERM. */
export function hasClone3(): boolean {
  clone3(sysno.clone3, null, 0);
  return errno() === constants.errno.EINVAL;
}

const CLONE_VM = 0x100;
const CLONE_PIDFD = 0x1000;
const { SIGCHLD } = constants.signals;
const stack = Buffer.alloc(64 << 10);
const alignment = 16n;

/**
 * A process that ends at once and is not reaped yet: until then /proc shows the namespaces that it was made in, and takes their
 * maps. Its number as the caller's pid namespace has it, and a descriptor of it.
 */
export interface Remnant {
  readonly pid: number;
  readonly pidfd: number;
}

/**
 * clone(getpid, stack, CLONE_VM | flags); clone(2): a process in new namespaces that runs nothing of ours and leaves nothing
 * behind, whoever is killed. It shares this one's memory, so that no page table is copied. One at a time: there is one stack.
 */
export function cloneRemnant(flags: number): Remnant {
  const pidfd = Buffer.alloc(4);
  const top = (addressOf(stack) + BigInt(stack.length)) & -alignment;
  const kinds = CLONE_VM | CLONE_PIDFD | flags | SIGCHLD;
  const pid = check(clone(functionAddress("getpid"), top, kinds, 0n, pidfd), "clone", `0x${flags.toString(16)}`);
  return { pid, pidfd: pidfd.readInt32LE(0) };
}

export function reapRemnant({ pid, pidfd }: Remnant): void {
  waitFor(pid);
  close(pidfd);
}
