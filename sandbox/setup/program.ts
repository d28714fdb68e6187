// Which file a command name means inside the job's root, found with the job's rights.

import { errnoCode } from "../sys/errors.ts";
import { isExecutable, type Kind, kindOf } from "../sys/files.ts";
import { Refusal } from "./step.ts";

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A name without a slash is searched in PATH, as execvp(3) does; a path is taken as it is. */
export function findProgram(name: string, path: string | undefined): string {
  if (name.includes("/")) return checkProgram(name);
  let refusal = new Refusal("ENOENT", `${name}: not found in the job's PATH (${path ?? defaultPath})`);
  for (const folder of (path ?? defaultPath).split(":")) {
    try {
      return checkProgram(`${folder === "" ? "." : folder}/${name}`);
    } catch (error) {
      if (error instanceof Refusal && error.code !== "ENOENT") refusal = error;
    }
  }
  throw refusal;
}

function checkProgram(path: string): string {
  const kind = find(path);
  if (kind === null) throw new Refusal("ENOENT", `${path}: no such file in the job's root`);
  if (kind === "folder") throw new Refusal("EISDIR", `${path}: is a directory`);
  if (kind !== "file") throw new Refusal("EACCES", `${path}: is not a regular file`);
  if (!isExecutable(path)) throw new Refusal("EACCES", `${path}: is not executable`);
  return path;
}

function find(path: string): Kind | null {
  try {
    return kindOf(path);
  } catch (error) {
    const code = (error as { code?: string }).code ?? "EIO";
    throw new Refusal(code, `${path}: ${code}`);
  }
}

const explanations: Readonly<Record<string, string>> = {
  ENOENT: "its interpreter (the #! line, or the ELF loader) is not in the job's root",
  ENOEXEC: "is neither a program of this machine nor a script with a #! line",
  E2BIG: "arguments and environment are longer than the kernel takes (execve(2))",
  ETXTBSY: "is open for writing",
};

/** Why execve(2) of a file that is there and executable failed. */
export function execRefusal(path: string, errno: number): Refusal {
  const code = errnoCode(errno);
  return new Refusal(code, `${path}: ${explanations[code] ?? `cannot be executed (${code})`}`);
}
