import { constants } from "node:os";

const codeByErrno = new Map<number, string>(Object.entries(constants.errno).map(([code, value]) => [value, code]));

/** Errno values that Linux has and node:os does not list. */
const extraCodes = new Map<number, string>([
  [121, "EREMOTEIO"],
  [123, "ENOMEDIUM"],
  [524, "ENOTSUPP"],
]);

/** `ENOENT` for 2; `errno 999` for a number without a name (errno(3)). */
export function errnoCode(errno: number): string {
  return codeByErrno.get(errno) ?? extraCodes.get(errno) ?? `errno ${errno}`;
}

/** A failed system call: what was called, on what, and why the kernel refused. */
export class SyscallError extends Error {
  override readonly name = "SyscallError";
  readonly call: string;
  readonly errno: number;
  readonly code: string;
  readonly about: string;

  constructor(call: string, errno: number, about = "") {
    const code = errnoCode(errno);
    super(about === "" ? `${call}: ${code}` : `${call} ${about}: ${code}`);
    this.call = call;
    this.errno = errno;
    this.code = code;
    this.about = about;
  }
}

/** True for "already gone" of every spelling: the file, process or link that was to be removed does not exist. */
export function isGone(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === "ENOENT" || code === "ESRCH" || code === "ENODEV";
}
