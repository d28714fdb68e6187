// What each process of a job does with names, through libc: node:fs checks and converts its arguments in JavaScript, which costs
// a process that has just been forked several times the call itself (docs/performance.md). Failures are SyscallErrors.
import { constants } from "node:os";
import { close, O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY, open, readAt } from "./descriptors.ts";
import { SyscallError } from "./errors.ts";
import { check, checkLong, errno, libc } from "./ffi.ts";
import { sysno } from "./numbers.ts";

const c = {
  mkdir: libc("int mkdir(const char*, uint32_t)"),
  rmdir: libc("int rmdir(const char*)"),
  symlink: libc("int symlink(const char*, const char*)"),
  readlink: libc("long readlink(const char*, uint8_t*, size_t)"),
  rename: libc("int rename(const char*, const char*)"),
  unlink: libc("int unlink(const char*)"),
  write: libc("long write(int, const uint8_t*, size_t)"),
  access: libc("int access(const char*, int)"),
  statx: libc("long syscall(long, int, const char*, int, unsigned int, uint8_t*)"),
};

const X_OK = 1;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
const STATX_TYPE = 1;
/** struct statx of linux/stat.h. */
const statxBytes = 256;
const modeAt = 28;
const deviceAt = 136;
const S_IFMT = 0o170000;

const entry = Buffer.alloc(statxBytes);
/** Of a link's text and of what `readSmall` reads; nothing is kept in it. */
const page = Buffer.alloc(4096);

/** int mkdir(const char*, mode_t); mkdir(2). */
export function makeFolder(path: string, mode = 0o777): void {
  check(c.mkdir(path, mode), "mkdir", path);
}

/** int rmdir(const char*); rmdir(2). */
export function removeFolder(path: string): void {
  check(c.rmdir(path), "rmdir", path);
}

/** int symlink(const char*, const char*); symlink(2). */
export function makeLink(text: string, path: string): void {
  check(c.symlink(text, path), "symlink", path);
}

/** ssize_t readlink(...); readlink(2). At most a page. */
export function readLink(path: string): string {
  return page.toString("utf8", 0, checkLong(c.readlink(path, page, page.length), "readlink", path));
}

/** int rename(const char*, const char*); rename(2). */
export function rename(from: string, to: string): void {
  check(c.rename(from, to), "rename", `${from} to ${to}`);
}

/** int unlink(const char*); unlink(2). */
export function unlink(path: string): void {
  check(c.unlink(path), "unlink", path);
}

/** access(path, X_OK), with the real ids; access(2). */
export function isExecutable(path: string): boolean {
  return c.access(path, X_OK) === 0;
}

export type Kind = "file" | "folder" | "link" | "fifo" | "other";

const kinds = new Map<number, Kind>([
  [0o100000, "file"],
  [0o040000, "folder"],
  [0o120000, "link"],
  [0o010000, "fifo"],
]);

function kindOfEntry(): Kind {
  return kinds.get(entry.readUInt16LE(modeAt) & S_IFMT) ?? "other";
}

/** statx(AT_FDCWD, path); statx(2): what a path leads to, links followed. null: nothing. Throws for any other reason. */
export function kindOf(path: string): Kind | null {
  return look(path, 0);
}

/** The same of a link itself. */
export function kindOfName(path: string): Kind | null {
  return look(path, AT_SYMLINK_NOFOLLOW);
}

function look(path: string, flags: number): Kind | null {
  const result = c.statx(sysno.statx, AT_FDCWD, path, flags, STATX_TYPE, entry);
  if (result < 0 && isAbsent(errno())) return null;
  checkLong(result, "statx", path);
  return kindOfEntry();
}

function isAbsent(code: number): boolean {
  return code === constants.errno.ENOENT || code === constants.errno.ENOTDIR;
}

export interface OpenFile {
  readonly kind: Kind;
  /** Two open files with the same one are on one file system. */
  readonly device: bigint;
}

/** statx(fd, "", AT_EMPTY_PATH); statx(2). */
export function describe(fd: number): OpenFile {
  checkLong(c.statx(sysno.statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, entry), "statx", `descriptor ${fd}`);
  return { kind: kindOfEntry(), device: entry.readBigUInt64LE(deviceAt) };
}

/** A file of at most a page, one byte a character: of proc, sysfs and the like. */
export function readSmall(path: string): string {
  const fd = open(path, O_RDONLY);
  try {
    return page.toString("latin1", 0, readAt(fd, page, 0));
  } finally {
    close(fd);
  }
}

/** Not pwrite(2), which some files of proc refuse. */
function writeWhole(fd: number, bytes: Buffer, path: string): void {
  const n = checkLong(c.write(fd, bytes, bytes.length), "write", path);
  if (n < bytes.length) throw new SyscallError("write", constants.errno.ENOSPC, path);
}

/** Makes a file, or replaces what is in one, in one write(2). */
export function writeSmall(path: string, text: string, mode = 0o666): void {
  const fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
  try {
    if (text !== "") writeWhole(fd, Buffer.from(text), path);
  } finally {
    close(fd);
  }
}
