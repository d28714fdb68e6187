// Reading and writing the files of a group. O_WRONLY without O_CREAT: with O_CREAT the kernel answers EACCES for a
// file that a group does not have, and a write-only file such as cgroup.kill cannot be opened for reading too.
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { CgroupError, reasonOf } from "./errors.ts";

/** All files read here are one page at most. */
const page = Buffer.alloc(4096);

/** Writes one value in one write(2). Throws CgroupError with path, value and errno. */
export function writeControl(folder: string, file: string, value: string): void {
  const path = `${folder}/${file}`;
  try {
    const fd = openSync(path, constants.O_WRONLY);
    try {
      writeSync(fd, value);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw new CgroupError(`cannot write "${value}" to ${path}: ${reasonOf(error)}`, error);
  }
}

/** Like writeControl; false when the group does not have this file. */
export function writeControlIfThere(folder: string, file: string, value: string): boolean {
  try {
    writeControl(folder, file, value);
    return true;
  } catch (error) {
    if (error instanceof CgroupError && error.code === "ENOENT") return false;
    throw error;
  }
}

/** The first page of a file of a group. Throws CgroupError with path and errno. */
export function readControl(folder: string, file: string): string {
  const path = `${folder}/${file}`;
  try {
    const fd = openSync(path, constants.O_RDONLY);
    try {
      return readControlDescriptor(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw new CgroupError(`cannot read ${path}: ${reasonOf(error)}`, error);
  }
}

/** Like readControl; null when the group does not have this file. */
export function readControlIfThere(folder: string, file: string): string | null {
  try {
    return readControl(folder, file);
  } catch (error) {
    if (error instanceof CgroupError && error.code === "ENOENT") return null;
    throw error;
  }
}

/** Reads an open file of a group from its beginning. */
export function readControlDescriptor(fd: number): string {
  return page.toString("latin1", 0, readSync(fd, page, 0, page.length, 0));
}
