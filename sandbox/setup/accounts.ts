// passwd and group of a job, and where its HOME is.
import { AccountError, accountFilesOf, type Ids } from "../accounts.ts";
import type { Root } from "./root-target.ts";

const overflowId = 65534;

/** HOME in the view of the host. */
export function homeFolder(uid: number): string {
  if (uid === 0) return "/root";
  return "/home/user";
}

/** `[file name in /etc, content]`: root, the job's user when it is another, and nobody. */
export function accountFiles({ uid, gid }: Ids): [string, string][] {
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

/** HOME of a uid from the root's own /etc/passwd, which anybody may have written: `/` when it does not say. */
export function homeInRoot(root: Root, uid: number): string {
  for (const line of passwdOf(root).split("\n")) {
    const fields = line.split(":");
    const home = fields[5];
    if (fields[2] === String(uid) && home?.startsWith("/") && !home.includes("\0")) return home;
  }
  return "/";
}

function passwdOf(root: Root): string {
  try {
    return accountFilesOf(root.fd)("/etc/passwd") ?? "";
  } catch (error) {
    if (error instanceof AccountError) return "";
    throw error;
  }
}
