import { isBelow, type MountInfo } from "./mountinfo.ts";

/**
 * Folder of a group, given the path that /proc/self/cgroup shows and a mount of its hierarchy; null when this mount
 * does not show it. In a container the mount's root may be the container's group instead of `/`.
 */
export function groupFolder(mount: MountInfo, path: string): string | null {
  if (!isBelow(path, mount.root) || path.split("/").includes("..")) return null;
  const inside = mount.root === "/" ? path : path.slice(mount.root.length);
  return inside === "/" || inside === "" ? mount.mountPoint : `${mount.mountPoint}${inside}`;
}

/** A mount or its file system that is read-only, as containers get it. */
export function isReadOnly(mount: MountInfo): boolean {
  return mount.options.includes("ro") || mount.superOptions.includes("ro");
}
