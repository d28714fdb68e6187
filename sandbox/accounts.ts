// Who `--user` means: names and ids as /etc/passwd and /etc/group of a root have them, which anybody may have written.
import { fstatSync, readSync } from "node:fs";
import { close, O_NONBLOCK, O_PATH, O_RDONLY } from "./sys/descriptors.ts";
import { isGone } from "./sys/errors.ts";
import { openInRoot } from "./sys/resolve.ts";
import type { UserName } from "./units.ts";

export interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/** The text of one of a root's files; null when it is not there. */
export type AccountFiles = (path: "/etc/passwd" | "/etc/group") => string | null;

/** A name that is not there, or a file that is no account file. */
export class AccountError extends Error {
  override readonly name = "AccountError";
  readonly mend: string;

  constructor(message: string, mend: string) {
    super(message);
    this.mend = mend;
  }
}

const largestFile = 1 << 20;
const isId = /^\d+$/;

/**
 * The ids of USER[:GROUP]. The group of a USER alone is what passwd says; a number that is not in
 * passwd has the group of that number. Throws AccountError.
 */
export function findUser(wanted: UserName, files: AccountFiles): Ids {
  const { user, group } = wanted;
  const account = group !== undefined && isId.test(user) ? null : find(files, "/etc/passwd", user);
  if (account === null && !isId.test(user)) throw missing("user", user, "/etc/passwd");
  const uid = account?.id ?? Number(user);
  if (group === undefined) return { uid, gid: account?.next ?? uid };
  if (isId.test(group)) return { uid, gid: Number(group) };
  const found = find(files, "/etc/group", group);
  if (found === null) throw missing("group", group, "/etc/group");
  return { uid, gid: found.id };
}

/**
 * The first entry of that name or number: its id, and in passwd the gid. Entries whose ids are no numbers are none (passwd(5),
 * group(5)). One look through the text: a megabyte of line ends, split, would hold the server up.
 */
function find(files: AccountFiles, path: "/etc/passwd" | "/etc/group", wanted: string) {
  const isNumber = isId.test(wanted);
  const name = isNumber ? "[^:\\n]*" : wanted.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  const id = isNumber ? `0*${BigInt(wanted)}` : "\\d+";
  const rest = path === "/etc/passwd" ? ":(\\d+)(?:[:\\n]|$)" : "(?:[:\\n]|$)";
  const match = new RegExp(`(?:^|\\n)${name}:[^:\\n]*:(${id})${rest}`).exec(files(path) ?? "");
  return match === null ? null : { id: Number(match[1]), next: Number(match[2]) };
}

function missing(kind: string, name: string, path: string): AccountError {
  return new AccountError(
    `there is no ${kind} ${JSON.stringify(name)} in the root's ${path}`,
    "use one that is there, or its number",
  );
}

/** Reads account files below an open root: no link leads out of it, and neither a FIFO nor a device is opened. */
export function accountFilesOf(root: number): AccountFiles {
  return (path) => {
    try {
      return readRegular(root, path);
    } catch (error) {
      if (isGone(error)) return null;
      if (error instanceof AccountError) throw error;
      const { code = String(error) } = error as { code?: string };
      throw new AccountError(`the root's ${path} cannot be read (${code})`, "use numbers, as UID:GID");
    }
  };
}

function readRegular(root: number, path: string): string {
  const look = openInRoot(root, path, O_PATH);
  try {
    requireRegular(look, path);
  } finally {
    close(look);
  }
  const file = openInRoot(root, path, O_RDONLY | O_NONBLOCK);
  try {
    const size = requireRegular(file, path);
    const content = Buffer.alloc(size);
    return content.toString("utf8", 0, readSync(file, content, 0, size, 0));
  } finally {
    close(file);
  }
}

/** Returns its size. */
function requireRegular(fd: number, path: string): number {
  const found = fstatSync(fd);
  const mend = "use numbers, as UID:GID";
  if (!found.isFile()) throw new AccountError(`the root's ${path} is not a regular file`, mend);
  if (found.size <= largestFile) return found.size;
  throw new AccountError(
    `the root's ${path} has ${found.size} bytes, and ${largestFile} is the most that is read`,
    mend,
  );
}
