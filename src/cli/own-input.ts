import { createReadStream, fstatSync } from "node:fs";
import type { Readable } from "node:stream";

/** podium's own stdin; for a block device and for a folder Node would give an empty dummy in place of data and error. */
export function ownInput(): Readable {
  const file = fstatSync(0);
  return file.isBlockDevice() || file.isDirectory() ? createReadStream("", { fd: 0, autoClose: false }) : process.stdin;
}
