// Folders of the host shown with the ids of a job: id-mapped mounts (mount_setattr(2), "ID-mapped mounts").
import { close, O_PATH } from "../sys/descriptors.ts";
import { SyscallError } from "../sys/errors.ts";
import { cloneTree, mapTreeIds } from "../sys/mounts.ts";
import { openResolved } from "../sys/resolve.ts";
import { pathOf } from "./root-target.ts";
import { Refusal } from "./step.ts";

const problems: Readonly<Record<string, (path: string) => string>> = {
  EINVAL: (path) =>
    `the file system of ${path} cannot be id-mapped by this kernel; put the folder on ext4, xfs, btrfs or tmpfs`,
  EPERM: (path) => `${path} is shown through an id-mapped mount already; name the folder where it really is`,
  ENOSYS: (path) => `this kernel cannot show ${path} with a job's ids; use Linux 5.14 or later`,
};

/** Which file systems can be id-mapped depends on the kernel; say so instead of EINVAL. */
export function explain(error: unknown, path: string): unknown {
  if (!(error instanceof SyscallError) || error.call !== "mount_setattr") return error;
  const problem = problems[error.code];
  return problem === undefined ? error : new Refusal(error.code, problem(path));
}

/**
 * Maps a copy of the mounts at a path of the host, which is gone at once: the calls that the set-up will make. Throws what
 * it would throw. `recursive`: with the mounts below it.
 */
export function tryMapping(path: string, recursive: boolean, userNamespace: number): void {
  const place = openResolved(path, O_PATH);
  try {
    const tree = cloneTree(pathOf(place), recursive);
    try {
      mapTreeIds(tree, userNamespace, recursive, path);
    } finally {
      close(tree);
    }
  } catch (error) {
    throw explain(error, path);
  } finally {
    close(place);
  }
}
