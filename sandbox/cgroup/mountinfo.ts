// /proc/PID/mountinfo (proc_pid_mountinfo(5)):
// 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
import { CgroupError } from "./errors.ts";

export interface MountInfo {
  /** `major:minor` of the file system, 0:N when no disk is behind it. */
  readonly device: string;
  /** What of the file system is mounted: `/`, or a folder in it (bind mounts, containers). */
  readonly root: string;
  readonly mountPoint: string;
  readonly options: readonly string[];
  readonly type: string;
  readonly source: string;
  /** Options of the file system: `cpu,cpuacct` for cgroup v1, `upperdir=…` for overlay. */
  readonly superOptions: readonly string[];
}

/** Parses the whole file, later mounts last. Throws CgroupError naming the line that is none. */
export function parseMountInfo(text: string): MountInfo[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map(parseLine);
}

function parseLine(line: string): MountInfo {
  const fields = line.split(" ");
  // Any number of optional fields stands before the lone hyphen.
  const hyphen = fields.indexOf("-", 6);
  const [, , device, root, mountPoint, options] = fields;
  const [type, source, superOptions] = hyphen === -1 ? [] : fields.slice(hyphen + 1);
  if (
    device === undefined ||
    root === undefined ||
    mountPoint === undefined ||
    options === undefined ||
    type === undefined
  ) {
    throw new CgroupError(`/proc/self/mountinfo: "${line.slice(0, 80)}" is not a mount`);
  }
  return {
    device,
    root: unescapeOctal(root),
    mountPoint: unescapeOctal(mountPoint),
    options: options.split(","),
    type: unescapeOctal(type),
    source: unescapeOctal(source ?? ""),
    superOptions: (superOptions ?? "").split(",").map(unescapeOctal),
  };
}

/** The kernel writes space, tab, newline, `#` and backslash as `\040` and so on. */
export function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** The mount that holds an absolute path: the longest mount point above it; of several on one point, the topmost. */
export function mountOf(mounts: readonly MountInfo[], path: string): MountInfo | null {
  let found: MountInfo | null = null;
  for (const mount of mounts) {
    const above = isBelow(path, mount.mountPoint);
    if (above && (found === null || mount.mountPoint.length >= found.mountPoint.length)) found = mount;
  }
  return found;
}

/** True when `path` is `folder` or lies below it; both absolute and normalised. */
export function isBelow(path: string, folder: string): boolean {
  return folder === "/" || path === folder || path.startsWith(`${folder}/`);
}
