// User notification of seccomp filters (seccomp_unotify(2)).
import { constants } from "node:os";
import { check, checkLong, errno, libc } from "./ffi.ts";
import { sysno } from "./numbers.ts";

const c = {
  pidfdOpen: libc("long syscall(long, int, unsigned int)"),
  pidfdGetfd: libc("long syscall(long, int, int, unsigned int)"),
  tgkill: libc("int tgkill(int, int, int)"),
  ioctl: libc("int ioctl(int, unsigned long, uint8_t*)"),
  getppid: libc("long syscall(long, long, long, long, long, long, uint64_t)"),
};

/** The call by which a command waits for its init, told apart by its sixth argument; the kernel itself reads none of them. */
export const handOverCall = { number: sysno.getppid, argument: 0x706f_6469_756d_2121n } as const;

/** Returns when init has answered. Throws ENOSYS when nobody listens. */
export function awaitHandOver(): void {
  checkLong(c.getppid(handOverCall.number, 0, 0, 0, 0, 0, handOverCall.argument), "getppid", "waiting for init");
}

/** pidfd_open(pid, 0); pidfd_open(2). */
export function openPidfd(pid: number): number {
  return checkLong(c.pidfdOpen(sysno.pidfd_open, pid, 0), "pidfd_open", String(pid));
}

/** pidfd_getfd(pidfd, fd, 0); pidfd_getfd(2). null: the process has no such descriptor, yet or any more. */
export function takeDescriptor(pidfd: number, fd: number): number | null {
  const taken = c.pidfdGetfd(sysno.pidfd_getfd, pidfd, fd, 0);
  if (taken >= 0) return Number(taken);
  if (errno() === constants.errno.EBADF || errno() === constants.errno.ESRCH) return null;
  return checkLong(taken, "pidfd_getfd", String(fd));
}

/** Whether the thread is one of the process; tgkill(process, thread, 0). */
export function isThreadOf(process: number, thread: number): boolean {
  return c.tgkill(process, thread, 0) === 0;
}

/** struct seccomp_notif, of which `sequence` is `id`. */
export interface Notification {
  readonly sequence: bigint;
  /** Thread id as the reader's pid namespace sees it. */
  readonly thread: number;
  readonly call: number;
  /** AUDIT_ARCH_* */
  readonly architecture: number;
  readonly sixthArgument: bigint;
}

const SECCOMP_IOCTL_NOTIF_RECV = 0xc0502100;
const SECCOMP_IOCTL_NOTIF_SEND = 0xc0182101;
const notification = Buffer.alloc(80);
const answer = Buffer.alloc(24);

/** ioctl(SECCOMP_IOCTL_NOTIF_RECV), when poll(2) says POLLIN. null: its process has ended meanwhile. */
export function receiveNotification(listener: number): Notification | null {
  notification.fill(0);
  const result = c.ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, notification);
  if (result < 0 && (errno() === constants.errno.ENOENT || errno() === constants.errno.EINTR)) return null;
  check(result, "ioctl(SECCOMP_IOCTL_NOTIF_RECV)");
  return {
    sequence: notification.readBigUInt64LE(0),
    thread: notification.readUInt32LE(8),
    call: notification.readInt32LE(16),
    architecture: notification.readUInt32LE(20),
    sixthArgument: notification.readBigUInt64LE(72),
  };
}

/** ioctl(SECCOMP_IOCTL_NOTIF_SEND): the held call returns 0 and is not made. */
export function answerNotification(listener: number, { sequence }: Notification): void {
  answer.fill(0);
  answer.writeBigUInt64LE(sequence, 0);
  c.ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, answer); // ENOENT: the caller has ended
}
