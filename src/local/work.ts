// The work folder of one `podium sandbox --upload DIR --download PATH`: as a job's on a server (src/jobs/work.ts), but that it is
// gone at the end. It is not in the scratch data, which lies in memory; a link there leads to it, made before it, so that what a
// killed podium left is found.
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, mkdirSync, readlinkSync, realpathSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { JobRequest } from "../../sandbox/request.ts";
import { isGone } from "../../sandbox/sys/errors.ts";
import { firstKeptId, standInFor } from "../jobs/work-grant.ts";

/** What is done with the folder before the command starts, and once it has ended, unless somebody wants it to stop. */
export interface WorkSteps {
  fill(folder: string, interrupted: () => boolean): Promise<void>;
  collect(folder: string, interrupted: () => boolean): Promise<void>;
}

/** Where it lies: on a disk, since not every kernel can show a folder in memory with other owners. */
function place(): string {
  return realpathSync(process.env.TMPDIR || "/var/tmp");
}

/** The request with a work folder as its cwd; runLocally puts the real one in. */
export function preparedForWork(request: JobRequest): JobRequest {
  return standInFor(request, place());
}

/** Makes the folder; returns where it is. */
export function makeLocalWork(scratch: string): string {
  const outer = join(place(), `podium-work-${randomBytes(8).toString("hex")}`);
  symlinkSync(outer, linkIn(scratch));
  mkdirSync(outer, { mode: 0o700 });
  const folder = join(outer, "work"); // below one that only root can search
  mkdirSync(folder, { mode: 0o755 });
  chownSync(folder, firstKeptId, firstKeptId);
  return folder;
}

/** By rm(1): the tree may be deeper than a path can name. Whatever it cannot remove stays, and the next podium tries again. */
export function removeLocalWork(scratch: string): boolean {
  let outer: string;
  try {
    outer = readlinkSync(linkIn(scratch));
  } catch (error) {
    if (isGone(error)) return true;
    throw error;
  }
  return spawnSync("rm", ["-rf", "--one-file-system", "--", outer], { stdio: "ignore" }).status === 0;
}

function linkIn(scratch: string): string {
  return join(scratch, "work");
}
