import { check, libc } from "./ffi.ts";

const c = {
  unshare: libc("int unshare(int)"),
  setns: libc("int setns(int, int)"),
  sethostname: libc("int sethostname(const char*, size_t)"),
  socket: libc("int socket(int, int, int)"),
  ioctl: libc("int ioctl(int, unsigned long, uint8_t*)"),
  close: libc("int close(int)"),
};

/** sched.h */
export const CLONE_NEWNS = 0x00020000;
export const CLONE_NEWCGROUP = 0x02000000;
export const CLONE_NEWUTS = 0x04000000;
export const CLONE_NEWIPC = 0x08000000;
export const CLONE_NEWUSER = 0x10000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_NEWNET = 0x40000000;

/** int unshare(int); unshare(2). */
export function unshare(flags: number): void {
  check(c.unshare(flags), "unshare", `0x${flags.toString(16)}`);
}

/** int setns(int, int); setns(2). `kind` is one of CLONE_NEW*. */
export function setns(fd: number, kind: number): void {
  check(c.setns(fd, kind), "setns", `0x${kind.toString(16)}`);
}

/** int sethostname(const char*, size_t); sethostname(2): at most 64 bytes. */
export function setHostname(name: string): void {
  check(c.sethostname(name, Buffer.byteLength(name)), "sethostname", name);
}

const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;
const ifreqBytes = 40;
const flagsOffset = 16;

/** Brings lo of the current network namespace up (netdevice(7), SIOCSIFFLAGS). */
export function bringLoopbackUp(): void {
  const request = Buffer.alloc(ifreqBytes);
  request.write("lo", 0);
  const socket = check(c.socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0), "socket");
  try {
    check(c.ioctl(socket, SIOCGIFFLAGS, request), "ioctl(SIOCGIFFLAGS)", "lo");
    request.writeInt16LE(request.readInt16LE(flagsOffset) | IFF_UP, flagsOffset);
    check(c.ioctl(socket, SIOCSIFFLAGS, request), "ioctl(SIOCSIFFLAGS)", "lo");
  } finally {
    c.close(socket);
  }
}
