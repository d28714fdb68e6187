// Reachability from the network namespace of the calling thread, synchronously, so that a forked child can ask too.
import { constants } from "node:os";
import { SyscallError } from "./errors.ts";
import { check, checkLong, errno, libc } from "./ffi.ts";
import { POLLIN, POLLOUT, PollSet } from "./poll.ts";

const c = {
  socket: libc("int socket(int, int, int)"),
  connect: libc("int connect(int, const uint8_t*, unsigned int)"),
  getsockopt: libc("int getsockopt(int, int, int, uint8_t*, uint8_t*)"),
  send: libc("long send(int, const uint8_t*, size_t, int)"),
  recv: libc("long recv(int, uint8_t*, size_t, int)"),
  close: libc("int close(int)"),
};

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_FLAGS = 0o2000000 | 0o4000; // SOCK_CLOEXEC | SOCK_NONBLOCK
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;
const { EINPROGRESS, EAGAIN, ETIMEDOUT, EINTR } = constants.errno;
const echo = { request4: 8, reply4: 0, request6: 128, reply6: 129 } as const;

/** sockaddr_in or sockaddr_in6 (ip(7), ipv6(7)); `address` has 4 or 16 bytes in network order. */
function socketAddress(address: Buffer, port: number): Buffer {
  const sockaddr = Buffer.alloc(address.length === 4 ? 16 : 28);
  sockaddr.writeUInt16LE(address.length === 4 ? AF_INET : AF_INET6, 0);
  sockaddr.writeUInt16BE(port, 2);
  address.copy(sockaddr, address.length === 4 ? 4 : 8);
  return sockaddr;
}

/** Waits until a descriptor is ready; false when the time is over. */
function ready(fd: number, events: number, deadlineMs: number): boolean {
  const set = new PollSet();
  for (;;) {
    const left = Math.ceil(deadlineMs - performance.now());
    if (left <= 0) return false;
    set.clear();
    const index = set.add(fd, events);
    set.wait(left);
    if (set.ready(index) !== 0) return true;
  }
}

function withSocket<T>(family: number, type: number, protocol: number, use: (fd: number) => T): T {
  const fd = check(c.socket(family, type | SOCK_FLAGS, protocol), "socket");
  try {
    return use(fd);
  } finally {
    c.close(fd);
  }
}

/** connect(2) on TCP within `timeoutMs`. Returns when it is connected, throws SyscallError (ETIMEDOUT when time is over). */
export function connectTcp(address: Buffer, port: number, timeoutMs: number): void {
  const deadline = performance.now() + timeoutMs;
  withSocket(address.length === 4 ? AF_INET : AF_INET6, SOCK_STREAM, 0, (fd) => {
    const sockaddr = socketAddress(address, port);
    if (c.connect(fd, sockaddr, sockaddr.length) === 0) return;
    const code = errno();
    if (code !== EINPROGRESS) throw new SyscallError("connect", code);
    if (!ready(fd, POLLOUT, deadline)) throw new SyscallError("connect", ETIMEDOUT);
    const failure = socketError(fd);
    if (failure !== 0) throw new SyscallError("connect", failure);
  });
}

function socketError(fd: number): number {
  const value = Buffer.alloc(4);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(4);
  check(c.getsockopt(fd, SOL_SOCKET, SO_ERROR, value, length), "getsockopt(SO_ERROR)");
  return value.readInt32LE(0);
}

/**
 * One ICMP echo without privileges (icmp(7), ping_group_range). Returns when the reply is there, throws SyscallError
 * (ETIMEDOUT when none came, EACCES when the group may not ping).
 */
export function pingOnce(address: Buffer, timeoutMs: number): void {
  const deadline = performance.now() + timeoutMs;
  const four = address.length === 4;
  withSocket(four ? AF_INET : AF_INET6, SOCK_DGRAM, four ? IPPROTO_ICMP : IPPROTO_ICMPV6, (fd) => {
    const sockaddr = socketAddress(address, 0);
    check(c.connect(fd, sockaddr, sockaddr.length), "connect");
    const packet = Buffer.alloc(16);
    packet.writeUInt8(four ? echo.request4 : echo.request6, 0);
    packet.writeUInt16BE(1, 6);
    checkLong(c.send(fd, packet, packet.length, 0), "send");
    awaitEcho(fd, four ? echo.reply4 : echo.reply6, deadline);
  });
}

function awaitEcho(fd: number, reply: number, deadlineMs: number): void {
  const answer = Buffer.alloc(1500);
  while (ready(fd, POLLIN, deadlineMs)) {
    const n = c.recv(fd, answer, answer.length, 0);
    if (n > 0 && answer.readUInt8(0) === reply) return;
    const code = n < 0 ? errno() : EAGAIN;
    if (code !== EAGAIN && code !== EINTR) throw new SyscallError("recv", code);
  }
  throw new SyscallError("recv", ETIMEDOUT);
}
