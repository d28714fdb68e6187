// The root of a job that brings its own folder (`--rootfs`), shown with the ids that the job's user namespace has on disk.
import { chmodSync, chownSync, mkdirSync, statSync } from "node:fs";
import type { Rootfs } from "../spec.ts";
import { close, O_DIRECTORY, O_PATH } from "../sys/descriptors.ts";
import {
  attachTree,
  cloneTree,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOSUID,
  MS_NODEV,
  MS_NOSUID,
  mapTreeIds,
  mountFilesystem,
  setDetachedAttributes,
} from "../sys/mounts.ts";
import { openResolved } from "../sys/resolve.ts";
import type { Ground } from "./context.ts";
import { explain } from "./mapping.ts";
import { pathOf } from "./root-target.ts";

type RootfsGround = Pick<Ground, "stage" | "userNamespace">;

/**
 * overlay and ro: an overlay whose upper folder lies on a tmpfs, so that mount points can be made without touching the
 * folder, and changes vanish with the job, which may take the size and the number of files that the spec says; ro is made
 * read-only at the end. The lower is id-mapped, the overlay itself
 * cannot be; hence the upper folder gets the lower root's mode and owner (as the job sees them).
 */
export function buildOverlay(ground: RootfsGround, rootfs: Rootfs): void {
  const bounds = `mode=700,size=${rootfs.sizeBytes},nr_inodes=${rootfs.inodes}`;
  mountFilesystem("tmpfs", ground.stage, MS_NOSUID | MS_NODEV, bounds);
  process.chdir(ground.stage);
  for (const name of ["lower", "upper", "work", "root"]) mkdirSync(name, 0o755);
  const tree = mappedTree(ground, rootfs.path);
  attachTree(tree, "lower");
  close(tree);
  const lower = statSync("lower");
  chmodSync("upper", lower.mode & 0o7777);
  chownSync("upper", lower.uid, lower.gid);
  mountFilesystem("overlay", "root", MS_NOSUID | MS_NODEV, "lowerdir=lower,upperdir=upper,workdir=work");
  process.chdir("root");
}

/**
 * rw: the folder itself, which lies below one that only host root can search (request.ts), or a changed set-uid file would
 * be of use. The small tmpfs below it holds what podium shows over files of the root.
 */
export function buildDirect(ground: Ground, rootfs: Rootfs): void {
  mountFilesystem("tmpfs", ground.stage, MS_NOSUID | MS_NODEV, "mode=700,size=1m");
  process.chdir(ground.stage);
  mkdirSync("root", 0o755);
  const tree = mappedTree(ground, rootfs.path);
  attachTree(tree, "root");
  close(tree);
  process.chdir("root");
}

function mappedTree(ground: RootfsGround, path: string): number {
  const folder = openResolved(path, O_PATH | O_DIRECTORY);
  const tree = cloneTree(pathOf(folder), false);
  close(folder);
  try {
    mapTreeIds(tree, ground.userNamespace, false, path);
    setDetachedAttributes(tree, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, path);
    return tree;
  } catch (error) {
    close(tree);
    throw explain(error, path);
  }
}
