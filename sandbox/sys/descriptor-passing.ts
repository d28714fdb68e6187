// Descriptors that travel from process to process over a Unix socket (unix(7), SCM_RIGHTS).
import { constants } from "node:os";
import { checkLong, errno, libc } from "./ffi.ts";

const c = {
  malloc: libc("uintptr_t malloc(size_t)"),
  free: libc("void free(uintptr_t)"),
  put: libc("uintptr_t memcpy(uintptr_t, const uint8_t*, size_t)"),
  get: libc("void memcpy(uint8_t*, uintptr_t, size_t)"),
  sendmsg: libc("long sendmsg(int, uintptr_t, int)"),
  recvmsg: libc("long recvmsg(int, uintptr_t, int)"),
};

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;

/** struct msghdr, struct iovec, one struct cmsghdr with at most two descriptors, then the bytes; all in one piece of memory. */
const iovecAt = 56;
const controlAt = 72;
const controlBytes = 24;
const descriptorsAt = 16;
const mostDescriptors = 2;
const dataAt = controlAt + controlBytes;

function withMessage<T>(data: number, work: (message: bigint) => T): T {
  const address = BigInt(c.malloc(dataAt + data));
  try {
    const head = Buffer.alloc(dataAt);
    head.writeBigUInt64LE(address + BigInt(iovecAt), 16);
    head.writeBigUInt64LE(1n, 24);
    head.writeBigUInt64LE(address + BigInt(controlAt), 32);
    head.writeBigUInt64LE(BigInt(controlBytes), 40);
    head.writeBigUInt64LE(address + BigInt(dataAt), iovecAt);
    head.writeBigUInt64LE(BigInt(data), iovecAt + 8);
    c.put(address, head, head.length);
    return work(address);
  } finally {
    c.free(address);
  }
}

/** ssize_t sendmsg(socket, {bytes, SCM_RIGHTS: fds}, MSG_NOSIGNAL); sendmsg(2). One or two; `bytes` is not empty and fits at once. */
export function sendDescriptors(socket: number, fds: readonly number[], bytes: Buffer): void {
  withMessage(bytes.length, (message) => {
    const control = Buffer.alloc(controlBytes);
    control.writeBigUInt64LE(BigInt(descriptorsAt + 4 * fds.length), 0);
    control.writeInt32LE(SOL_SOCKET, 8);
    control.writeInt32LE(SCM_RIGHTS, 12);
    for (const [i, fd] of fds.entries()) control.writeInt32LE(fd, descriptorsAt + 4 * i);
    c.put(message + BigInt(controlAt), control, controlBytes);
    c.put(message + BigInt(dataAt), bytes, bytes.length);
    checkLong(c.sendmsg(socket, message, MSG_NOSIGNAL), "sendmsg");
  });
}

export interface Received {
  /** As `read` answers: 0 at the end, null when it would block. */
  readonly bytes: number | null;
  /** Those that came along, closed on exec. */
  readonly descriptors: readonly number[];
}

/** ssize_t recvmsg(socket, {into, SCM_RIGHTS}, MSG_CMSG_CLOEXEC); recvmsg(2). */
export function receive(socket: number, into: Buffer): Received {
  return withMessage(into.length, (message) => {
    const n = c.recvmsg(socket, message, MSG_CMSG_CLOEXEC);
    if (n < 0) {
      const code = errno();
      if (code === constants.errno.EAGAIN || code === constants.errno.EINTR) return { bytes: null, descriptors: [] };
      if (code === constants.errno.ECONNRESET) return { bytes: 0, descriptors: [] };
      checkLong(n, "recvmsg");
    }
    c.get(into, message + BigInt(dataAt), Number(n));
    const head = Buffer.alloc(dataAt);
    c.get(head, message, dataAt);
    return { bytes: Number(n), descriptors: descriptorsIn(head.subarray(controlAt), head.readBigUInt64LE(40)) };
  });
}

function descriptorsIn(control: Buffer, controlLength: bigint): number[] {
  if (controlLength < descriptorsAt || control.readInt32LE(12) !== SCM_RIGHTS) return [];
  const count = Math.min((Number(control.readBigUInt64LE(0)) - descriptorsAt) / 4, mostDescriptors);
  return Array.from({ length: count }, (_, i) => control.readInt32LE(descriptorsAt + 4 * i));
}
