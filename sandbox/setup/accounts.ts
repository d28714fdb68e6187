// passwd and group of a job, and where its HOME is.
import { closeSync, fstatSync, readSync } from "node:fs";
import { O_NONBLOCK, O_RDONLY } from "../sys/descriptors.ts";
import { openInRoot } from "../sys/resolve.ts";
import type { Root } from "./root-target.ts";

interface User {
  readonly uid: number;
  readonly gid: number;
}

const overflowId = 65534;

/** HOME in the view of the host. */
export function homeFolder(uid: number): string {
  if (uid === 0) return "/root";
  return "/home/user";
}

/** `[file name in /etc, content]`: root, the job's user when it is another, and nobody. */
export function accountFiles({ uid, gid }: User): [string, string][] {
  const users = ["root:x:0:0:root:/root:/bin/sh"];
  const groups = ["root:x:0:", "tty:x:5:"];
  if (uid !== 0 && uid !== overflowId) users.push(`user:x:${uid}:${gid}:user:${homeFolder(uid)}:/bin/sh`);
  if (gid !== 0 && gid !== 5 && gid !== overflowId) groups.push(`user:x:${gid}:`);
  users.push(`nobody:x:${overflowId}:${overflowId}:nobody:/nonexistent:/usr/sbin/nologin`);
  groups.push(`nogroup:x:${overflowId}:`);
  return [
    ["passwd", `${users.join("\n")}\n`],
    ["group", `${groups.join("\n")}\n`],
  ];
}

const largestPasswd = 1 << 20;

/** HOME of a uid from the root's own /etc/passwd, which anybody may have written: `/` when it does not say. */
export function homeInRoot(root: Root, uid: number): string {
  for (const line of readSmallFile(root, "/etc/passwd").split("\n")) {
    const fields = line.split(":");
    const home = fields[5];
    if (fields[2] === String(uid) && home?.startsWith("/") && !home.includes("\0")) return home;
  }
  return "/";
}

/** A regular file of the root, at most 1 MiB of it; "" when there is none. Neither a FIFO nor a device can hold us up. */
function readSmallFile(root: Root, path: string): string {
  let fd: number;
  try {
    fd = openInRoot(root.fd, path, O_RDONLY | O_NONBLOCK);
  } catch {
    return "";
  }
  try {
    if (!fstatSync(fd).isFile()) return "";
    const content = Buffer.alloc(Math.min(fstatSync(fd).size, largestPasswd));
    return content.toString("utf8", 0, readSync(fd, content, 0, content.length, 0));
  } finally {
    closeSync(fd);
  }
}
