import { check, checkLong, libc } from "./ffi.ts";
import { sysno } from "./numbers.ts";

const c = {
  mount: libc("int mount(const char*, const char*, const char*, unsigned long, const char*)"),
  umount2: libc("int umount2(const char*, int)"),
  pivotRoot: libc("long syscall(long, const char*, const char*)"),
  openTree: libc("long syscall(long, int, const char*, unsigned int)"),
  moveMount: libc("long syscall(long, int, const char*, int, const char*, unsigned int)"),
  mountSetattr: libc("long syscall(long, int, const char*, unsigned int, const uint8_t*, size_t)"),
  mknod: libc("int mknod(const char*, unsigned int, uint64_t)"),
};

/** mount(2) */
export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
const MS_REMOUNT = 32;
const MS_BIND = 4096;
const MS_REC = 16384;
const MS_PRIVATE = 1 << 18;
const MS_SLAVE = 1 << 19;
const MNT_DETACH = 2;

/** mount(type, target, type, flags, data): a new instance of a file system; mount(2). */
export function mountFilesystem(type: string, target: string, flags: number, data = ""): void {
  check(c.mount(type, target, type, flags, data), `mount(${type})`, target);
}

/** mount(source, target, NULL, MS_BIND | MS_REC): what is at `source`, with its mounts, appears at `target` too. */
export function mountBind(source: string, target: string): void {
  check(c.mount(source, target, null, MS_BIND | MS_REC, null), "mount(MS_BIND)", `${source} at ${target}`);
}

/** mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | flags): new flags of this one mount. */
export function remountBind(target: string, flags: number): void {
  check(c.mount(null, target, null, MS_REMOUNT | MS_BIND | flags, null), "mount(MS_REMOUNT)", target);
}

/** mount(NULL, "/", NULL, MS_REC | MS_PRIVATE): no mount event goes in or out any more. */
export function makeTreePrivate(): void {
  check(c.mount(null, "/", null, MS_REC | MS_PRIVATE, null), "mount(MS_PRIVATE)", "/");
}

/** mount(NULL, "/", NULL, MS_REC | MS_SLAVE): mount events come in from the host, none go out. */
export function makeTreeSlave(): void {
  check(c.mount(null, "/", null, MS_REC | MS_SLAVE, null), "mount(MS_SLAVE)", "/");
}

/** umount2(target, MNT_DETACH); umount2(2). */
export function detachMount(target: string): void {
  check(c.umount2(target, MNT_DETACH), "umount2", target);
}

/** pivot_root(".", "."): the current directory becomes `/` and the old root lies on top of it; pivot_root(2), NOTES. */
export function pivotRootHere(): void {
  checkLong(c.pivotRoot(sysno.pivot_root, ".", "."), "pivot_root");
}

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;
const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;

/** open_tree(-1, path, OPEN_TREE_CLONE | AT_RECURSIVE): a detached copy of the mounts at an absolute path; open_tree(2). */
export function cloneTree(path: string, recursive = true): number {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
  return checkLong(c.openTree(sysno.open_tree, AT_FDCWD, path, flags), "open_tree", path);
}

const MOVE_MOUNT_F_EMPTY_PATH = 4;
/** Without it a target of the form /proc/self/fd/N would be the link itself. */
const MOVE_MOUNT_T_SYMLINKS = 0x10;
const attachFlags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS;

/** move_mount(tree, "", AT_FDCWD, target, F_EMPTY_PATH | T_SYMLINKS): attaches a detached tree; move_mount(2). */
export function attachTree(tree: number, target: string): void {
  checkLong(c.moveMount(sysno.move_mount, tree, "", AT_FDCWD, target, attachFlags), "move_mount", target);
}

/** mount_setattr(2) */
export const MOUNT_ATTR_RDONLY = 1;
export const MOUNT_ATTR_NOSUID = 2;
export const MOUNT_ATTR_NODEV = 4;
const MOUNT_ATTR_IDMAP = 0x100000;
/** struct mount_attr: set, clr, propagation and userns_fd, 64 bits each; what is used here is in the lower half. */
const attrBytes = 32;
const userNamespaceAt = 24;
const attr = Buffer.alloc(attrBytes);

function setAttributes(
  fd: number,
  path: string,
  flags: number,
  set: number,
  userNamespace: number,
  about: string,
): void {
  attr.writeUInt32LE(set, 0);
  attr.writeUInt32LE(userNamespace, userNamespaceAt);
  checkLong(c.mountSetattr(sysno.mount_setattr, fd, path, flags, attr, attrBytes), "mount_setattr", about);
}

/** mount_setattr on a detached tree and all mounts in it. */
export function setDetachedAttributes(tree: number, set: number, about: string): void {
  setAttributes(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, set, 0, about);
}

/** mount_setattr(MOUNT_ATTR_IDMAP): ids on disk are shown through the mapping of a user namespace. */
export function mapTreeIds(tree: number, userNamespace: number, recursive: boolean, about: string): void {
  const flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  setAttributes(tree, "", flags, MOUNT_ATTR_IDMAP, userNamespace, about);
}

const S_IFCHR = 0o20000;
const S_IFIFO = 0o10000;

/** mknod(path, S_IFCHR | mode, makedev(major, minor)); mknod(2). The umask applies. */
export function makeCharDevice(path: string, mode: number, major: number, minor: number): void {
  check(c.mknod(path, S_IFCHR | mode, BigInt((major << 8) | minor)), "mknod", path);
}

/** mkfifo(3) as mknod(path, S_IFIFO | mode, 0). */
export function makeFifo(path: string, mode: number): void {
  check(c.mknod(path, S_IFIFO | mode, 0n), "mkfifo", path);
}
