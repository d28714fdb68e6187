// Reading and writing the files of a group. O_WRONLY without O_CREAT: with O_CREAT the kernel answers EACCES for a
// file that a group does not have, and a write-only file such as cgroup.kill cannot be opened for reading too.
// A job's end reads a dozen of them: through libc, which takes a quarter of the time of node:fs.
import { close, O_WRONLY, open, readAt, writeAt } from "../sys/descriptors.ts";
import { readSmall } from "../sys/files.ts";
import { CgroupError, reasonOf } from "./errors.ts";

/** All files read here are one page at most. */
const page = Buffer.alloc(4096);

/** Writes one value in one write(2). Throws CgroupError with path, value and errno. */
export function writeControl(folder: string, file: string, value: string): void {
  const path = `${folder}/${file}`;
  try {
    const fd = open(path, O_WRONLY);
    try {
      writeAt(fd, Buffer.from(value), 0);
    } finally {
      close(fd);
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
    return readSmall(path);
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
  return page.toString("latin1", 0, readAt(fd, page, 0));
}
