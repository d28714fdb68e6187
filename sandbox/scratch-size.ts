// How many files a file system in memory may hold: its data has a bound in bytes, but an empty file takes kernel memory too.

const bytesPerFile = 4096;
const fewest = 1024;

/** One file for each 4 KiB, so that a tree of small ones fits; never fewer than 1,024. */
export function inodesFor(sizeBytes: number): number {
  return Math.max(fewest, Math.ceil(sizeBytes / bytesPerFile));
}
