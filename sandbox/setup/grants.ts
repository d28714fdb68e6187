// What was granted of the host (`--dir`), and scratch space (`--tmpfs`).
import { statSync } from "node:fs";
import { close } from "../sys/descriptors.ts";
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
import type { Grant, TmpfsMount } from "../spec.ts";
import { makeUserNamespace } from "../zygote/user-namespaces.ts";
import type { Context } from "./context.ts";
import { type Root, withTarget } from "./root-target.ts";
import { explain } from "./rootfs.ts";

/** Grants in the order given, so that a later one may lie inside an earlier one. */
export function mountGrants(context: Context, root: Root): void {
  for (const grant of context.spec.grants) mountGrant(context, root, grant);
}

/**
 * The folder's owner and the job's user are one: what the job makes there belongs to the owner on the host, and what the
 * owner alone may read, the job may. All other ids appear as nobody. Read-only holds for mounts below the source too.
 */
function mountGrant({ spec, idBase }: Context, root: Root, grant: Grant): void {
  const source = statSync(grant.source);
  const ids = makeUserNamespace(`${source.uid} ${idBase + spec.user.uid} 1`, `${source.gid} ${idBase + spec.user.gid} 1`);
  const tree = cloneTree(grant.source);
  try {
    mapTreeIds(tree, ids, true, grant.source);
    const attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (grant.writable ? 0 : MOUNT_ATTR_RDONLY);
    setDetachedAttributes(tree, attributes, grant.source);
    withTarget(root, grant.target, source.isDirectory() ? "folder" : "file", (target) => attachTree(tree, target));
  } catch (error) {
    throw explain(error, grant.source);
  } finally {
    close(tree);
    close(ids);
  }
}

export function mountScratch(root: Root, { target, sizeBytes }: TmpfsMount, options: string): void {
  const size = sizeBytes === 0 ? "" : `,size=${sizeBytes}`;
  withTarget(root, target, "folder", (path) => mountFilesystem("tmpfs", path, MS_NOSUID | MS_NODEV, options + size));
}
