// From the paths of a job's folders to the disks whose traffic is limited. Both throttles of the kernel (io.max and
// blkio.throttle) work on a whole disk. A volume of device mapper or md is followed down to the disks that carry it,
// so that two volumes of one disk do not get the rate twice; its own requests keep the job's group on their way down.
import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { SandboxSpec } from "../spec.ts";
import { isGone } from "../sys/errors.ts";
import { CgroupError, reasonOf } from "./errors.ts";
import { type MountInfo, mountOf, parseMountInfo } from "./mountinfo.ts";

/** Where to look; tests describe other hosts. */
export interface BlockDeviceView {
  readonly mounts: readonly MountInfo[];
  /** `/sys`. */
  readonly sys: string;
}

/**
 * The disks (`major:minor`, sorted, each once) behind some paths of the host: existing files, folders or block devices.
 * Throws CgroupError naming the path that does not exist or has no disk of this host behind it.
 */
export function wholeDisks(paths: readonly string[], view: BlockDeviceView = hostView()): string[] {
  return [...new Set(paths.flatMap((path) => disksOfPath(path, view)))].sort();
}

/** The disks that a job's io limits apply to: those behind the folders it sees; none when it has no such limit. */
export function disksOf({ limits, rootfs, grants }: SandboxSpec): string[] {
  const { ioBytesPerSecond, ioOperationsPerSecond = 0 } = limits;
  if (ioBytesPerSecond === 0 && ioOperationsPerSecond === 0) return [];
  return wholeDisks(diskFolders({ rootfs, grants }));
}

/** The folders of the host that a job reads and writes. */
export function diskFolders({ rootfs, grants }: Pick<SandboxSpec, "rootfs" | "grants">): string[] {
  return [rootfs?.path ?? "/usr", ...grants.map((grant) => grant.source)];
}

function hostView(): BlockDeviceView {
  return { mounts: parseMountInfo(readFileSync("/proc/self/mountinfo", "utf8")), sys: "/sys" };
}

function disksOfPath(path: string, view: BlockDeviceView): string[] {
  const device = deviceOfPath(path);
  if (device !== null) return disksOfDevice(device, path, view);
  // major 0: no disk of its own; its mount tells what is below.
  const mount = mountOf(view.mounts, realpathSync(path));
  if (mount?.type === "overlay") return layersOf(mount).flatMap((layer) => disksOfLayer(layer, path, view));
  if (mount?.source.startsWith("/dev/")) return disksOfSource(mount, path, view);
  throw new CgroupError(
    `${path} is on ${mount?.type ?? "an unknown file system"}, which has no disk of this host behind it`,
  );
}

/** `major:minor` of a block device node or of the file system that holds the path; null for major 0. */
function deviceOfPath(path: string): string | null {
  try {
    const { dev, rdev, mode } = statSync(path, { bigint: true });
    const isBlockDevice = (mode & 0o170000n) === 0o060000n;
    const { major, minor } = splitDevice(isBlockDevice ? rdev : dev);
    return major === 0n ? null : `${major}:${minor}`;
  } catch (error) {
    throw new CgroupError(`cannot tell the disk of ${path}: ${reasonOf(error)}`, error);
  }
}

/** makedev(3) backwards: glibc's layout of a dev_t. */
export function splitDevice(device: bigint): { readonly major: bigint; readonly minor: bigint } {
  return {
    major: ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n),
    minor: (device & 0xffn) | ((device >> 12n) & 0xffffff00n),
  };
}

function disksOfDevice(device: string, path: string, view: BlockDeviceView): string[] {
  const folder = sysFolder(device, path, view);
  const slaves = entriesOf(`${folder}/slaves`);
  if (slaves.length > 0) {
    return slaves.flatMap((slave) => disksOfDevice(deviceFile(`${folder}/slaves/${slave}`, path), path, view));
  }
  const isPartition = entriesOf(folder).includes("partition");
  return [isPartition ? deviceFile(dirname(folder), path) : device];
}

function sysFolder(device: string, path: string, view: BlockDeviceView): string {
  try {
    return realpathSync(`${view.sys}/dev/block/${device}`);
  } catch (error) {
    throw new CgroupError(`cannot tell the disk of ${path}: the kernel shows no block device ${device}`, error);
  }
}

function deviceFile(folder: string, path: string): string {
  try {
    return readFileSync(`${folder}/dev`, "utf8").trimEnd();
  } catch (error) {
    throw new CgroupError(`cannot tell the disk of ${path}: ${folder}/dev: ${reasonOf(error)}`, error);
  }
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isGone(error)) return [];
    throw new CgroupError(`cannot list ${folder}: ${reasonOf(error)}`, error);
  }
}

/**
 * Upper and lower folders of an overlay: reads can come from each. The kernel shows both options as they were given to
 * mount(8): layers apart by colons, and colon, comma and backslash in a name behind a backslash.
 */
export function layersOf(mount: MountInfo): string[] {
  return mount.superOptions.flatMap((option) => {
    const [, name, value = ""] = /^([a-z]+\+?)=(.*)$/s.exec(option) ?? [];
    if (name === "upperdir") return [unescapeLayer(value)];
    if (name !== "lowerdir" && name !== "lowerdir+" && name !== "datadir+") return [];
    return (value.match(/(?:\\.|[^:\\])+/gs) ?? []).map(unescapeLayer);
  });
}

function unescapeLayer(layer: string): string {
  return layer.replace(/\\(.)/gs, "$1");
}

function disksOfLayer(layer: string, path: string, view: BlockDeviceView): string[] {
  try {
    return disksOfPath(layer, view);
  } catch (error) {
    if (!(error instanceof CgroupError)) throw error;
    throw new CgroupError(`cannot tell the disk of ${path}, an overlay: ${error.message}`, error);
  }
}

/** A file system that hides its disk behind major 0 and names it as its source; btrfs may have several. */
function disksOfSource(mount: MountInfo, path: string, view: BlockDeviceView): string[] {
  const device = deviceOfPath(mount.source);
  if (device === null) throw new CgroupError(`cannot tell the disk of ${path}: ${mount.source} is no block device`);
  if (mount.type !== "btrfs") return disksOfDevice(device, path, view);
  return btrfsDevices(basename(sysFolder(device, path, view)), view).flatMap((folder) =>
    disksOfDevice(deviceFile(folder, path), path, view),
  );
}

/** Folders of all devices of the btrfs that has this one among them. */
function btrfsDevices(name: string, { sys }: BlockDeviceView): string[] {
  const lists = entriesOf(`${sys}/fs/btrfs`).map((uuid) => `${sys}/fs/btrfs/${uuid}/devices`);
  const list = lists.find((folder) => entriesOf(folder).includes(name));
  if (list === undefined)
    throw new CgroupError(`cannot tell the disks of the btrfs on ${name}: it is not in ${sys}/fs/btrfs`);
  return entriesOf(list).map((device) => `${list}/${device}`);
}
