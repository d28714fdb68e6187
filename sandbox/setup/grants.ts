// What was granted of the host (`--dir`), and scratch space (`--tmpfs`).
import { fstatSync } from "node:fs";
import { inodesFor } from "../scratch-size.ts";
import type { Grant, TmpfsMount } from "../spec.ts";
import { close, O_PATH } from "../sys/descriptors.ts";
import {
  attachTree,
  cloneTree,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MS_NODEV,
  MS_NOSUID,
  mapTreeIds,
  mountFilesystem,
  setDetachedAttributes,
} from "../sys/mounts.ts";
import { openResolved } from "../sys/resolve.ts";
import { makeUserNamespace } from "../zygote/user-namespaces.ts";
import type { Context } from "./context.ts";
import { explain } from "./mapping.ts";
import { pathOf, type Root, withTarget } from "./root-target.ts";

/** Grants in the order given, so that a later one may lie inside an earlier one. */
export function mountGrants(context: Context, root: Root): void {
  for (const grant of context.spec.grants) mountGrant(context, root, grant);
}

/** The source is looked up once: what its owner was asked of is what is mounted, whoever renames what meanwhile. */
function mountGrant(context: Context, root: Root, grant: Grant): void {
  const source = openResolved(grant.source, O_PATH);
  try {
    mountOpened(context, root, grant, source);
  } catch (error) {
    throw explain(error, grant.source);
  } finally {
    close(source);
  }
}

/**
 * The folder's owner and the job's user are one: what the job makes there belongs to the owner on the host, and what the
 * owner alone may read, the job may. All other ids appear as nobody. Read-only holds for mounts below the source too.
 */
function mountOpened({ spec, idBase }: Context, root: Root, grant: Grant, source: number): void {
  const owner = fstatSync(source);
  const ids = makeUserNamespace(`${owner.uid} ${idBase + spec.user.uid} 1`, `${owner.gid} ${idBase + spec.user.gid} 1`);
  const tree = cloneTree(pathOf(source));
  try {
    mapTreeIds(tree, ids, true, grant.source);
    const attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (grant.writable ? 0 : MOUNT_ATTR_RDONLY);
    setDetachedAttributes(tree, attributes, grant.source);
    const kind = owner.isDirectory() ? "folder" : "file";
    withTarget(root, grant.target, kind, (target) => attachTree(tree, target));
  } finally {
    close(tree);
    close(ids);
  }
}

export function mountScratch(root: Root, { target, sizeBytes }: TmpfsMount, options: string): void {
  const size = sizeBytes === 0 ? "" : `,size=${sizeBytes},nr_inodes=${inodesFor(sizeBytes)}`;
  withTarget(root, target, "folder", (path) => mountFilesystem("tmpfs", path, MS_NOSUID | MS_NODEV, options + size));
}
