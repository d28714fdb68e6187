// Where things are mounted inside a job's root. The root may be full of hostile links, or be renamed at this moment by
// somebody on the host: every lookup is made by the kernel with the root as `/` (openat2), and what is mounted on is the
// descriptor found, never a path looked up a second time.
import { close, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_WRONLY, open, openAt } from "../sys/descriptors.ts";
import { isGone } from "../sys/errors.ts";
import { describe } from "../sys/files.ts";
import { makeDirectoryAt, openInRoot, type Symlinks } from "../sys/resolve.ts";
import { Refusal } from "./step.ts";

export type TargetKind = "folder" | "file";

/** The root under construction: an O_PATH descriptor, and the device that folders made inside it must lie on. */
export interface Root {
  readonly fd: number;
  readonly device: bigint;
}

export function openRoot(path: string): Root {
  const fd = open(path, O_PATH | O_DIRECTORY);
  return { fd, device: describe(fd).device };
}

/** Path that mount(2) takes for a descriptor. Valid while the host's /proc is still in place. */
export function pathOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** Runs `body` with a path that names the target, which is made when it is missing. */
export function withTarget(
  root: Root,
  path: string,
  kind: TargetKind,
  body: (path: string) => void,
  symlinks: Symlinks = "inside",
): void {
  const fd = openTarget(root, path, kind, symlinks);
  try {
    const isFolder = describe(fd).kind === "folder";
    if (isFolder !== (kind === "folder")) {
      throw new Refusal(
        isFolder ? "EISDIR" : "ENOTDIR",
        `${path} in the job's root is ${isFolder ? "a folder" : "no folder"}, and a ${kind} goes there`,
      );
    }
    body(pathOf(fd));
  } finally {
    close(fd);
  }
}

function openTarget(root: Root, path: string, kind: TargetKind, symlinks: Symlinks): number {
  try {
    return openInRoot(root.fd, path, O_PATH, symlinks);
  } catch (error) {
    if ((error as { code?: string }).code === "ELOOP" && symlinks === "refused") {
      throw new Refusal(
        "ELOOP",
        `${path} in the job's root is or passes a symbolic link; podium mounts only on a real folder there`,
      );
    }
    if (!isGone(error)) throw error;
    makeTarget(root, path, kind, symlinks);
    return openInRoot(root.fd, path, O_PATH, symlinks);
  }
}

function makeTarget(root: Root, path: string, kind: TargetKind, symlinks: Symlinks): void {
  const cut = path.lastIndexOf("/");
  const parent = openTarget(root, cut <= 0 ? "/" : path.slice(0, cut), "folder", symlinks);
  try {
    if (describe(parent).device !== root.device) {
      throw new Refusal(
        "ENOENT",
        `${path} does not exist in the folder mounted above it, and podium makes nothing in granted folders`,
      );
    }
    makeEntry(parent, path.slice(cut + 1), kind);
  } catch (error) {
    // A rw rootfs is shown id-mapped, and host root, who is at work here, has no id in it.
    if ((error as { code?: string }).code !== "EOVERFLOW") throw error;
    throw new Refusal(
      "ENOENT",
      `the rootfs has no ${kind} ${path}, and with rw podium makes nothing in it; make it first`,
    );
  } finally {
    close(parent);
  }
}

function makeEntry(parent: number, name: string, kind: TargetKind): void {
  if (kind === "folder") makeDirectoryAt(parent, name, 0o755);
  else close(openAt(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644));
}
