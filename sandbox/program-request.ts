// What a program is started with: the parts of a request that a job and a further command in it share.
import { posix } from "node:path";
import type { Ids } from "./accounts.ts";
import { RequestError } from "./request-error.ts";
import type { TerminalSize } from "./spec.ts";
import { parseUserName, type UserName } from "./units.ts";

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** execve(2): MAX_ARG_STRLEN for one string; all of them together must leave room in the kernel's 2 MiB. */
const longestString = 128 * 1024 - 1;
const longestTogether = 1024 * 1024;
const highestId = 65_535;
const longestSide = 65_535;

export function environment(settings: readonly string[], terminal: boolean): Record<string, string> {
  checkStrings("env", settings);
  const env = new Map([
    ["PATH", defaultPath],
    ["LANG", "C.UTF-8"],
  ]);
  if (terminal) env.set("TERM", "xterm");
  for (const setting of settings) {
    const cut = setting.indexOf("=");
    if (cut < 1)
      throw new RequestError("env", `${JSON.stringify(setting)} is not NAME=VALUE`, "write it like HOME=/work");
    env.set(setting.slice(0, cut), setting.slice(cut + 1));
  }
  return Object.fromEntries(env); // unlike an assignment, it also takes a variable called __proto__
}

export function checkStrings(field: string, strings: readonly string[]): void {
  for (const [i, text] of strings.entries()) {
    if (text.includes("\0"))
      throw new RequestError(`${field}[${i}]`, "contains a NUL byte, which no program can be given");
    if (Buffer.byteLength(text) > longestString) {
      throw new RequestError(
        `${field}[${i}]`,
        `is longer than the ${longestString} bytes that the kernel takes`,
        "pass it in a file or on stdin",
      );
    }
  }
}

export function checkTogether(argv: readonly string[], env: readonly string[]): void {
  const bytes = [...argv, ...env].reduce((sum, text) => sum + Buffer.byteLength(text) + 1, 0);
  if (bytes <= longestTogether) return;
  throw new RequestError(
    "argv",
    `arguments and environment are ${bytes} bytes together, at most ${longestTogether}`,
    "pass data in a file or on stdin",
  );
}

export function guestPath(field: string, path: string): string {
  if (!path.startsWith("/"))
    throw new RequestError(field, `${JSON.stringify(path)} is not an absolute path`, "begin it with /");
  if (path.includes("\0")) throw new RequestError(field, "contains a NUL byte");
  return posix.normalize(path);
}

/** Who a program runs as: `name`, as `--user` has it, is in place of the ids. */
export interface UserRequest extends Ids {
  readonly name?: string;
}

/** Throws RequestError. */
export function userName(name: string): UserName {
  const parsed = parseUserName(name);
  if (parsed !== null) return parsed;
  throw new RequestError(
    "user.name",
    `${JSON.stringify(name)} is not USER or USER:GROUP`,
    "write it like www-data, 1000 or www-data:adm",
  );
}

export function user({ uid, gid }: Ids): Ids {
  for (const [field, id] of [
    ["user.uid", uid],
    ["user.gid", gid],
  ] as const) {
    if (!Number.isInteger(id) || id < 0 || id > highestId) {
      throw new RequestError(field, `${id} is not an id of the job`, `use a number from 0 to ${highestId}`);
    }
  }
  return { uid, gid };
}

/** What the kernel keeps is 16 bits a side. */
export function terminalSize(size: TerminalSize | undefined): TerminalSize | null {
  if (size === undefined) return null;
  const { rows, columns } = size;
  for (const [field, side] of Object.entries({ rows, columns })) {
    if (!Number.isInteger(side) || side < 0 || side > longestSide)
      throw new RequestError(`terminal.${field}`, `${side} is no size`, `use a number from 0 to ${longestSide}`);
  }
  return { rows, columns };
}
