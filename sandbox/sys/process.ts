import { constants } from "node:os";
import { check, errno, libc } from "./ffi.ts";

const c = {
  madvise: libc("int madvise(uintptr_t, size_t, int)"),
  fork: libc("int fork()"),
  exit: libc("void _exit(int)"),
  execve: libc("int execve(const char*, const char**, const char**)"),
  waitpid: libc("int waitpid(int, uint8_t*, int)"),
  kill: libc("int kill(int, int)"),
  setsid: libc("int setsid()"),
  getpid: libc("int getpid()"),
  prctl: libc("int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)"),
};

const MADV_DOFORK = 11;
/** First address above user space (kernel: TASK_SIZE), less one page. */
const addressSpaceEnd = process.arch === "arm64" ? 0xfffffffff000n : 0x7ffffffff000n;
const firstPage = 4096n;
const WNOHANG = 1;
const EINTR = constants.errno.EINTR;
const status = Buffer.alloc(4);

/**
 * int fork(void); fork(2). Returns 0 in the child, its pid in the parent.
 * V8 maps its heap MADV_DONTFORK: without the madvise the child dies with SIGSEGV at its first JavaScript instruction.
 * The process must run with --single-threaded --v8-pool-size=0, or the child hangs now and then.
 */
export function fork(): number {
  c.madvise(firstPage, addressSpaceEnd - firstPage, MADV_DOFORK);
  return check(c.fork(), "fork");
}

/** void _exit(int); _exit(2). The only way a forked child may end: process.exit would run the parent's handlers. */
export function exitNow(code: number): never {
  c.exit(code);
  throw new Error("unreachable: _exit returned");
}

/** int execve(const char*, char* const[], char* const[]); execve(2). Returns the errno: it only comes back when it failed. */
export function execve(path: string, argv: readonly string[], env: readonly string[]): number {
  c.execve(path, [...argv, null], [...env, null]);
  return errno();
}

export interface WaitResult {
  readonly pid: number;
  /** The raw status, see `exitOf` and `signalOf`. */
  readonly status: number;
}

/** pid_t waitpid(pid, status, WNOHANG); waitpid(2). null: nobody to reap now; "none": no children at all. */
export function reap(pid = -1): WaitResult | "none" | null {
  const found = c.waitpid(pid, status, WNOHANG);
  if (found > 0) return { pid: found, status: status.readInt32LE(0) };
  if (found === 0) return null;
  return errno() === constants.errno.ECHILD ? "none" : null;
}

/** pid_t waitpid(pid, status, 0); waits for this child. */
export function waitFor(pid: number): number {
  for (;;) {
    if (c.waitpid(pid, status, 0) === pid) return status.readInt32LE(0);
    if (errno() !== EINTR) check(-1, "waitpid", String(pid));
  }
}

/** pid_t waitpid(-1, status, 0): waits for any child. False when there are none left. */
export function waitForAny(): boolean {
  for (;;) {
    if (c.waitpid(-1, status, 0) > 0) return true;
    if (errno() === constants.errno.ECHILD) return false;
  }
}

/** WEXITSTATUS, or null when a signal ended the process (wait(2)). */
export function exitOf(status: number): number | null {
  return (status & 0x7f) === 0 ? (status >> 8) & 0xff : null;
}

/** WTERMSIG, or null when the process exited by itself (wait(2)). */
export function signalOf(status: number): number | null {
  const signal = status & 0x7f;
  return signal === 0 ? null : signal;
}

/** int kill(pid_t, int); kill(2). Returns false when nobody was there to be signalled. */
export function kill(pid: number, signal: number): boolean {
  if (c.kill(pid, signal) === 0) return true;
  if (errno() === constants.errno.ESRCH) return false;
  check(-1, "kill", String(pid));
  return false;
}

/** pid_t getpid(void); getpid(2). `process.pid` is what it was when Node started. */
export function ownPid(): number {
  return c.getpid();
}

/** pid_t setsid(void); setsid(2). */
export function setsid(): void {
  check(c.setsid(), "setsid");
}

const PR_SET_PDEATHSIG = 1;
const PR_SET_DUMPABLE = 4;
const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_RAISE = 2;

/** prctl(PR_SET_DUMPABLE, 0): no core, no ptrace, /proc/PID owned by host root. */
export function setUndumpable(): void {
  check(c.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl(PR_SET_DUMPABLE)");
}

/** prctl(PR_SET_NO_NEW_PRIVS, 1). */
export function setNoNewPrivileges(): void {
  check(c.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)");
}

/** prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, n): the capability must be permitted and inheritable. */
export function raiseAmbientCapability(capability: number): void {
  const result = c.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
  check(result, "prctl(PR_CAP_AMBIENT_RAISE)", String(capability));
}

/** prctl(PR_CAPBSET_DROP, n). Returns false when the kernel does not know capability n. */
export function dropBoundingCapability(capability: number): boolean {
  if (c.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) === 0) return true;
  if (errno() === constants.errno.EINVAL) return false;
  check(-1, "prctl(PR_CAPBSET_DROP)", String(capability));
  return false;
}

/** prctl(PR_SET_PDEATHSIG, signal): sent to this process when the thread that forked it ends; kept over exec. */
export function setParentDeathSignal(signal: number): void {
  check(c.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)");
}
