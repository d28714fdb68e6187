// What further commands of a job need to know of it: `program.json` of its folder, there while the job runs. Its environment
// may hold secrets, and is gone with it.
import { readFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import type { ProgramSpec, SandboxSpec } from "../../sandbox/spec.ts";
import { fillFile } from "./ready-folders.ts";

export interface KeptProgram extends Omit<ProgramSpec, "argv" | "stdin" | "terminal"> {
  /** It brought a root of its own. */
  readonly ownRoot: boolean;
}

function fileOf(folder: string): string {
  return join(folder, "program.json");
}

/** Written before anything of the job runs. */
export function keepProgram(folder: string, spec: SandboxSpec): void {
  const { env, cwd, user, capabilities, seccomp, callNames, rootfs } = spec;
  const kept: KeptProgram = { env, cwd, user, capabilities, seccomp, callNames, ownRoot: rootfs !== null };
  fillFile(fileOf(folder), JSON.stringify(kept));
}

/** null: an older podium started the job, or it has just ended. */
export function readProgram(folder: string): KeptProgram | null {
  try {
    return JSON.parse(readFileSync(fileOf(folder), "utf8")) as KeptProgram;
  } catch {
    return null;
  }
}

export function dropProgram(folder: string): void {
  try {
    unlinkSync(fileOf(folder));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
