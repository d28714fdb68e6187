import { constants } from "node:os";
import { close } from "./descriptors.ts";
import { addressOf, check, errno, functionAddress, libc } from "./ffi.ts";
import { sysno } from "./numbers.ts";
import { kill, waitFor } from "./process.ts";

const clone3 = libc("long syscall(long, const uint8_t*, size_t)");
const clone = libc("int clone(uintptr_t, uintptr_t, int, uintptr_t, uint8_t*)");

/** clone3(NULL, 0), which clones nothing: EINVAL where the kernel (5.3) and every filter above know the call, else ENOSYS or EPERM. */
export function hasClone3(): boolean {
  clone3(sysno.clone3, null, 0);
  return errno() === constants.errno.EINVAL;
}

const CLONE_VM = 0x100;
const CLONE_PIDFD = 0x1000;
const { SIGCHLD, SIGKILL } = constants.signals;
const stack = Buffer.alloc(64 << 10);
const alignment = 16n;

/** Should the process that made one be killed meanwhile, it ends by itself after this. */
const longestLifeUs = 2_000_000n;

/** A process that only waits to be ended. Its number as the caller's pid namespace has it, and a descriptor of it. */
export interface Holder {
  readonly pid: number;
  readonly pidfd: number;
}

/**
 * clone(usleep, stack, CLONE_VM | flags); clone(2): a process in new namespaces that runs nothing of ours. It shares this one's
 * memory, so that no page table is copied, and has all signals blocked like its parent. One at a time: there is one stack.
 */
export function cloneHolder(flags: number): Holder {
  const pidfd = Buffer.alloc(4);
  const top = (addressOf(stack) + BigInt(stack.length)) & -alignment;
  const kinds = CLONE_VM | CLONE_PIDFD | flags | SIGCHLD;
  const pid = check(
    clone(functionAddress("usleep"), top, kinds, longestLifeUs, pidfd),
    "clone",
    `0x${flags.toString(16)}`,
  );
  return { pid, pidfd: pidfd.readInt32LE(0) };
}

export function endHolder({ pid, pidfd }: Holder): void {
  kill(pid, SIGKILL);
  waitFor(pid);
  close(pidfd);
}
