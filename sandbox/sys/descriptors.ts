import { constants } from "node:os";
import { SyscallError } from "./errors.ts";
import { check, checkLong, errno, libc } from "./ffi.ts";
import { sysno } from "./numbers.ts";

const c = {
  open: libc("int open(const char*, int, int)"),
  openat: libc("int openat(int, const char*, int, int)"),
  close: libc("int close(int)"),
  dup2: libc("int dup2(int, int)"),
  dup3: libc("int dup3(int, int, int)"),
  pipe2: libc("int pipe2(uint8_t*, int)"),
  read: libc("long read(int, uint8_t*, size_t)"),
  write: libc("long write(int, const uint8_t*, size_t)"),
  splice: libc("long splice(int, void*, int, void*, size_t, unsigned int)"),
  fchown: libc("int fchown(int, uint32_t, uint32_t)"),
  closeRange: libc("long syscall(long, unsigned int, unsigned int, unsigned int)"),
  fcntl: libc("int fcntl(int, int, uint8_t*)"),
  pread: libc("long pread(int, uint8_t*, size_t, int64_t)"),
  pwrite: libc("long pwrite(int, const uint8_t*, size_t, int64_t)"),
  fdatasync: libc("int fdatasync(int)"),
  fsync: libc("int fsync(int)"),
  ftruncate: libc("int ftruncate(int, int64_t)"),
  fallocate: libc("int fallocate(int, int, int64_t, int64_t)"),
};

export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_NONBLOCK = 0o4000;
export const O_DIRECTORY = process.arch === "arm64" ? 0o40000 : 0o200000;
export const O_NOFOLLOW = process.arch === "arm64" ? 0o100000 : 0o400000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;

const EAGAIN = constants.errno.EAGAIN;
const EINTR = constants.errno.EINTR;
const EPIPE = constants.errno.EPIPE;
const EACCES = constants.errno.EACCES;
const ECONNRESET = constants.errno.ECONNRESET;

const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const setFlags = libc("int fcntl(int, int, int)");

/** int open(path, flags | O_CLOEXEC, mode); open(2). */
export function open(path: string, flags: number, mode = 0): number {
  return check(c.open(path, flags | O_CLOEXEC, mode), "open", path);
}

/** int openat(dirfd, path, flags | O_CLOEXEC, mode); openat(2). */
export function openAt(directory: number, path: string, flags: number, mode = 0): number {
  return check(c.openat(directory, path, flags | O_CLOEXEC, mode), "openat", path);
}

/** int close(int); close(2). On Linux the descriptor is gone whatever close answers. */
export function close(fd: number): void {
  c.close(fd);
}

/** fcntl(fd, F_DUPFD_CLOEXEC, 0): the lowest free descriptor; fcntl(2). */
export function duplicate(fd: number): number {
  return check(setFlags(fd, F_DUPFD_CLOEXEC, 0), "fcntl(F_DUPFD_CLOEXEC)", String(fd));
}

/** int dup2(int, int); dup2(2). The copy is inherited over exec. */
export function dup2(from: number, to: number): void {
  check(c.dup2(from, to), "dup2", `${from} to ${to}`);
}

/** int dup3(from, to, O_CLOEXEC); dup(2). */
export function dupClosedOnExec(from: number, to: number): void {
  check(c.dup3(from, to, O_CLOEXEC), "dup3", `${from} to ${to}`);
}

const pair = Buffer.alloc(8);

/** int pipe2(fds, O_CLOEXEC | flags); pipe2(2). */
export function pipe(flags = 0): { readonly read: number; readonly write: number } {
  check(c.pipe2(pair, O_CLOEXEC | flags), "pipe2");
  return { read: pair.readInt32LE(0), write: pair.readInt32LE(4) };
}

/** ssize_t read(...); read(2). Number of bytes, 0 at the end (a peer that left with bytes unread included), null when it would block. */
export function read(fd: number, into: Buffer): number | null {
  const n = c.read(fd, into, into.length);
  if (n >= 0) return Number(n);
  const code = errno();
  if (code === EAGAIN || code === EINTR) return null;
  if (code === ECONNRESET) return 0;
  return checkLong(n, "read", `descriptor ${fd}`);
}

export type WriteResult = { readonly written: number } | "blocked" | "closed";

/** ssize_t write(...); write(2). SIGPIPE must be blocked or ignored. */
export function write(fd: number, bytes: Buffer): WriteResult {
  const n = c.write(fd, bytes, bytes.length);
  if (n >= 0) return { written: Number(n) };
  const code = errno();
  if (code === EAGAIN || code === EINTR) return "blocked";
  if (code === EPIPE) return "closed";
  checkLong(n, "write", `descriptor ${fd}`);
  return "closed";
}

const SPLICE_F_NONBLOCK = 2;

/**
 * ssize_t splice(from, NULL, to, NULL, maxBytes, SPLICE_F_NONBLOCK); splice(2). One of the two must be a pipe, and `to`
 * neither opened O_APPEND nor a terminal. Bytes moved; 0: the pipe has no writer left; "blocked": nothing now; "closed":
 * nobody reads the target any more.
 */
export function splice(from: number, to: number, maxBytes: number): number | "blocked" | "closed" {
  const n = c.splice(from, null, to, null, maxBytes, SPLICE_F_NONBLOCK);
  if (n >= 0) return Number(n);
  const code = errno();
  if (code === EAGAIN || code === EINTR) return "blocked";
  if (code === EPIPE) return "closed";
  return checkLong(n, "splice");
}

/** ssize_t pwrite(fd, bytes, length, offset); pwrite(2). Throws also when only a part could be written. */
export function writeAt(fd: number, bytes: Buffer, offset: number): void {
  const n = checkLong(c.pwrite(fd, bytes, bytes.length, offset), "pwrite", `descriptor ${fd}`);
  if (n < bytes.length) throw new SyscallError("pwrite", constants.errno.ENOSPC, `descriptor ${fd}`);
}

/** ssize_t pread(fd, into, length, offset); pread(2). Number of bytes, 0 at the end. */
export function readAt(fd: number, into: Buffer, offset: number): number {
  return checkLong(c.pread(fd, into, into.length, offset), "pread", `descriptor ${fd}`);
}

/** int fsync(int); fsync(2). */
export function sync(fd: number): void {
  check(c.fsync(fd), "fsync", `descriptor ${fd}`);
}

/** int ftruncate(fd, length); ftruncate(2). */
export function truncate(fd: number, length: number): void {
  check(c.ftruncate(fd, length), "ftruncate", `descriptor ${fd}`);
}

/** int fdatasync(int); fdatasync(2). */
export function syncData(fd: number): void {
  check(c.fdatasync(fd), "fdatasync", `descriptor ${fd}`);
}

const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

/**
 * int fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to - from); fallocate(2). What is read there is zeros
 * from now on; whole blocks of the range are free. EOPNOTSUPP where the file system has no holes.
 */
export function punchHole(fd: number, from: number, to: number): void {
  check(c.fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to - from), "fallocate", `descriptor ${fd}`);
}

/** int fchown(int, uid_t, gid_t); fchown(2). */
export function chownDescriptor(fd: number, uid: number, gid: number): void {
  check(c.fchown(fd, uid, gid), "fchown", `descriptor ${fd}`);
}

/** int close_range(first, ~0, 0); close_range(2). */
export function closeFrom(first: number): void {
  checkLong(c.closeRange(sysno.close_range, first, 0xffffffff, 0), "close_range");
}

/** fcntl(fd, F_SETFL, O_NONBLOCK); fcntl(2). Belongs to the open file description. */
export function setNonBlocking(fd: number): void {
  check(setFlags(fd, F_SETFL, O_NONBLOCK), "fcntl(F_SETFL)");
}

const F_OFD_SETLK = 37;
const F_WRLCK = 1;
const flock = Buffer.alloc(32);

/**
 * fcntl(fd, F_OFD_SETLK) on one byte; fcntl(2) "open file description locks". The lock lives as long as any copy of this
 * description is open in any process, so the kernel gives it back however its holders end. False: another holds it.
 */
export function tryLockByte(fd: number, offset: number): boolean {
  flock.fill(0);
  flock.writeInt16LE(F_WRLCK, 0);
  flock.writeBigInt64LE(BigInt(offset), 8);
  flock.writeBigInt64LE(1n, 16);
  if (c.fcntl(fd, F_OFD_SETLK, flock) === 0) return true;
  const code = errno();
  if (code === EAGAIN || code === EACCES) return false;
  check(-1, "fcntl(F_OFD_SETLK)");
  return false;
}
