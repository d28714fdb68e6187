// The part of the seam (executor.ts) that keeps two servers apart: locks that the kernel gives back however their holder ends.
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { O_CREAT, O_RDWR, open, tryLockByte } from "../../sandbox/sys/descriptors.ts";
import { idLocks } from "../../sandbox/zygote/client.ts";

/** In the host's file of locks, bytes before this one stand for ranges of ids for jobs. */
const dataIds = 2 ** 40;

/** Takes the lock of a DATA for the life of this process; false when another server has it. */
export function lockData(path: string): boolean {
  return tryLockByte(open(path, O_RDWR | O_CREAT, 0o600), 0);
}

/** Takes the id of a DATA, on this host; false when a server has it whose DATA was copied. */
export function lockDataId(id: string): boolean {
  mkdirSync(dirname(idLocks), { recursive: true, mode: 0o700 });
  return tryLockByte(open(idLocks, O_RDWR | O_CREAT, 0o600), dataIds + Number.parseInt(id, 16));
}
