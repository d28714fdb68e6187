import { O_CLOEXEC } from "./descriptors.ts";
import { check, checkLong, libc } from "./ffi.ts";
import { sysno } from "./numbers.ts";

const c = {
  openat2: libc("long syscall(long, int, const char*, const uint8_t*, size_t)"),
  mkdirat: libc("int mkdirat(int, const char*, unsigned int)"),
};

const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_IN_ROOT = 0x10;
/** struct open_how: flags, mode and resolve, 64 bits each; all flags are in the lower half. */
const howBytes = 24;
const resolveAt = 16;
const how = Buffer.alloc(howBytes);

function writeHow(flags: number, resolve: number): void {
  how.writeUInt32LE(flags | O_CLOEXEC, 0);
  how.writeUInt32LE(resolve, resolveAt);
}

const AT_FDCWD = -100;

export type Symlinks = "inside" | "refused";

/**
 * openat2(root, path, {flags | O_CLOEXEC, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS}); openat2(2). `path` is taken as if
 * `root` were `/`: neither `..` nor an absolute link leads out, whoever renames what meanwhile. `refused`: ELOOP for any link.
 */
export function openInRoot(root: number, path: string, flags: number, symlinks: Symlinks = "inside"): number {
  const links = symlinks === "refused" ? RESOLVE_NO_SYMLINKS : 0;
  writeHow(flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | links);
  return checkLong(c.openat2(sysno.openat2, root, path, how, howBytes), "openat2", path);
}

/**
 * openat2(AT_FDCWD, path, {flags | O_CLOEXEC, RESOLVE_NO_SYMLINKS}); openat2(2). For a path that was resolved before: ELOOP
 * when somebody has put a link into it since.
 */
export function openResolved(path: string, flags: number): number {
  writeHow(flags, RESOLVE_NO_SYMLINKS);
  return checkLong(c.openat2(sysno.openat2, AT_FDCWD, path, how, howBytes), "openat2", path);
}

/** int mkdirat(directory, name, mode); mkdir(2). `name` is one component. */
export function makeDirectoryAt(directory: number, name: string, mode: number): void {
  check(c.mkdirat(directory, name, mode), "mkdirat", name);
}
