// Making and removing groups: a group is a folder, made by mkdir and removed by rmdir while nothing lives in it.
import { readdirSync } from "node:fs";
import { isGone } from "../sys/errors.ts";
import { makeFolder, removeFolder } from "../sys/files.ts";
import { CgroupError, reasonOf } from "./errors.ts";
import { pause } from "./pause.ts";

/** A killed process leaves its group on its own time; this is far more than any needed under load. */
const removeTimeoutMs = 1_000;

/** Throws CgroupError with path and errno, EEXIST included. */
export function makeGroup(folder: string): void {
  try {
    makeFolder(folder);
  } catch (error) {
    throw new CgroupError(`cannot make control group ${folder}: ${reasonOf(error)}`, error);
  }
}

export function makeGroupIfMissing(folder: string): void {
  try {
    makeGroup(folder);
  } catch (error) {
    if (!(error instanceof CgroupError && error.code === "EEXIST")) throw error;
  }
}

/**
 * Removes a group and the groups in it, waiting up to a second for the killed; a missing one is fine. `again` is called while
 * somebody is left: it may kill who has come late. Throws CgroupError.
 */
export function removeGroup(folder: string, again: () => void = () => {}): void {
  const deadline = performance.now() + removeTimeoutMs;
  while (!tryToRemove(folder)) {
    if (performance.now() >= deadline) {
      throw new CgroupError(`cannot remove control group ${folder}: EBUSY: processes are left in it`);
    }
    again();
    pause(1);
  }
}

/** True when the group is gone; false when something lives in it. */
export function tryToRemove(folder: string): boolean {
  try {
    removeFolder(folder);
    return true;
  } catch (error) {
    if (isGone(error)) return true;
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "EBUSY" && code !== "ENOTEMPTY") {
      throw new CgroupError(`cannot remove control group ${folder}: ${reasonOf(error)}`, error);
    }
  }
  const inner = groupsIn(folder);
  return inner.length > 0 && inner.every((name) => tryToRemove(`${folder}/${name}`)) && tryToRemove(folder);
}

/** Names of the groups directly in a group; none when it does not exist. */
export function groupsIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (error) {
    if (isGone(error)) return [];
    throw new CgroupError(`cannot list control group ${folder}: ${reasonOf(error)}`, error);
  }
}
