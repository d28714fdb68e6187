import { constants } from "node:os";
import { checkLong, errno, libc } from "./ffi.ts";
import { sysno } from "./numbers.ts";

const statx = libc("long syscall(long, int, const char*, int, unsigned int, uint8_t*)");

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const STATX_TYPE = 1;
const STATX_INO = 0x100;
const STATX_CTIME = 0x80;
/** struct statx of linux/stat.h. */
const statxBytes = 256;
const modeAt = 28;
const inodeAt = 32;
const changedAt = 96;
const deviceAt = 136;
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

export const identityBytes = 28;
const entry = Buffer.alloc(statxBytes);

/**
 * statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW): inode, device and, but for a folder, the time of its last change, at `at` of
 * `into`, which is zeros there; they stay where there is nothing. statx(2). Five times as fast as lstat of node:fs.
 */
export function identityOf(path: string, into: Buffer, at: number): void {
  const result = statx(sysno.statx, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_INO | STATX_CTIME, entry);
  if (result < 0 && isAbsent(errno())) return;
  checkLong(result, "statx", path);
  entry.copy(into, at, inodeAt, inodeAt + 8);
  entry.copy(into, at + 8, deviceAt, deviceAt + 8);
  const isFolder = (entry.readUInt16LE(modeAt) & S_IFMT) === S_IFDIR;
  if (!isFolder) entry.copy(into, at + 16, changedAt, changedAt + 12);
}

function isAbsent(code: number): boolean {
  return code === constants.errno.ENOENT || code === constants.errno.ENOTDIR;
}
