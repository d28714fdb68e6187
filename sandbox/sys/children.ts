import { constants } from "node:os";
import { close } from "./descriptors.ts";
import { check, checkLong, errno, libc } from "./ffi.ts";
import { sysno } from "./numbers.ts";

const c = {
  pidfdOpen: libc("long syscall(long, int, unsigned int)"),
  epollCreate: libc("int epoll_create1(int)"),
  epollCtl: libc("int epoll_ctl(int, int, int, uint8_t*)"),
  epollWait: libc("int epoll_wait(int, uint8_t*, int, int)"),
};

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
/** struct epoll_event is packed on x86-64 only. */
const eventBytes = process.arch === "x64" ? 12 : 16;
const dataOffset = eventBytes - 8;
const batch = 64;

/**
 * Tells which children have ended, through one descriptor to poll: pidfds in an epoll set (pidfd_open(2), epoll(7)).
 * SIGCHLD would not do in a Node process: another of its threads may take the signal, and ignores it.
 */
export class Children {
  readonly fd = check(c.epollCreate(EPOLL_CLOEXEC), "epoll_create1");
  readonly #pidfds = new Map<number, number>();
  readonly #events = Buffer.alloc(eventBytes * batch);

  /** `pid` is a child that nobody has reaped. */
  add(pid: number): void {
    const pidfd = checkLong(c.pidfdOpen(sysno.pidfd_open, pid, 0), "pidfd_open", String(pid));
    const event = Buffer.alloc(eventBytes);
    event.writeUInt32LE(EPOLLIN, 0);
    event.writeUInt32LE(pid, dataOffset);
    check(c.epollCtl(this.fd, EPOLL_CTL_ADD, pidfd, event), "epoll_ctl");
    this.#pidfds.set(pid, pidfd);
  }

  /** Pids of children that have ended, each told once; they are still to be reaped. */
  ended(): number[] {
    const n = c.epollWait(this.fd, this.#events, batch, 0);
    if (n < 0 && errno() !== constants.errno.EINTR) check(n, "epoll_wait");
    const pids = Array.from({ length: Math.max(0, n) }, (_, i) =>
      this.#events.readUInt32LE(i * eventBytes + dataOffset),
    );
    for (const pid of pids) this.#forget(pid);
    return pids;
  }

  /** Taken out by hand: forked children hold copies of the pidfd, so closing ours alone would leave it in the set. */
  #forget(pid: number): void {
    const pidfd = this.#pidfds.get(pid);
    this.#pidfds.delete(pid);
    if (pidfd === undefined) return;
    c.epollCtl(this.fd, EPOLL_CTL_DEL, pidfd, null);
    close(pidfd);
  }
}
