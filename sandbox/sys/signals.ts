import { constants } from "node:os";
import { check, checkLong, errno, libc } from "./ffi.ts";

const c = {
  sigprocmask: libc("int sigprocmask(int, const uint8_t*, uint8_t*)"),
  signalfd: libc("int signalfd(int, const uint8_t*, int)"),
  signal: libc("uintptr_t signal(int, uintptr_t)"),
  read: libc("long read(int, uint8_t*, size_t)"),
};

const SIG_SETMASK = 2;
const SFD_NONBLOCK = 0o4000;
const SFD_CLOEXEC = 0o2000000;
const sigsetBytes = 128;
const siginfoBytes = 128;
const highestSignal = 64;

/** Blocks every signal that can be blocked (sigprocmask(2)). */
export function blockAllSignals(): void {
  check(c.sigprocmask(SIG_SETMASK, Buffer.alloc(sigsetBytes, 0xff), null), "sigprocmask");
}

/** Unblocks every signal (sigprocmask(2)), which init blocks. */
export function unblockAllSignals(): void {
  check(c.sigprocmask(SIG_SETMASK, Buffer.alloc(sigsetBytes, 0), null), "sigprocmask");
}

/** Every disposition back to SIG_DFL (signal(2)): Node ignores SIGPIPE and SIGXFSZ, and exec keeps what is ignored. */
export function resetDispositions(): void {
  for (let signal = 1; signal <= highestSignal; signal++) c.signal(signal, 0n); // SIGKILL, SIGSTOP, 32, 33: EINVAL, as meant
}

/** A non-blocking descriptor on which all blocked signals arrive (signalfd(2)). */
export function openSignalFd(): number {
  return check(c.signalfd(-1, Buffer.alloc(sigsetBytes, 0xff), SFD_NONBLOCK | SFD_CLOEXEC), "signalfd");
}

const siginfo = Buffer.alloc(siginfoBytes);

/** Signal number of the next pending signal, or 0 when there is none (signalfd(2)). */
export function nextSignal(fd: number): number {
  const n = c.read(fd, siginfo, siginfoBytes);
  if (Number(n) === siginfoBytes) return siginfo.readUInt32LE(0);
  if (errno() === constants.errno.EAGAIN || errno() === constants.errno.EINTR) return 0;
  return checkLong(n, "read", "signalfd");
}
