// The part of the seam (executor.ts) that keeps two servers apart: locks that the kernel gives back however their holder ends.
import { fstatSync, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { O_CREAT, O_RDWR, open, tryLockByte } from "../../sandbox/sys/descriptors.ts";
import { idLocks } from "../../sandbox/zygote/client.ts";
import { Unenforceable } from "./errors.ts";

/** In the host's file of locks, bytes before this one stand for ranges of ids for jobs. */
const dataIds = 2 ** 40;
/** That file as this process found it; -1: it has not yet. */
let hostLocks = -1;

/** Takes the lock of a DATA for the life of this process; false when another server has it. */
export function lockData(path: string): boolean {
  return tryLockByte(open(path, O_RDWR | O_CREAT, 0o600), 0);
}

/** Takes the id of a DATA, on this host; false when a server has it whose DATA was copied. */
export function lockDataId(id: string): boolean {
  mkdirSync(dirname(idLocks), { recursive: true, mode: 0o700 });
  hostLocks = open(idLocks, O_RDWR | O_CREAT, 0o600);
  return tryLockByte(hostLocks, dataIds + Number.parseInt(id, 16));
}

/** Throws Unenforceable when somebody has removed the host's file of locks: a new one does not tell which ids jobs have. */
export function demandHostLocks(): void {
  if (hostLocks === -1) return;
  const [own, now] = [fstatSync(hostLocks), statSync(idLocks, { throwIfNoEntry: false })];
  if (own.ino === now?.ino && own.dev === now.dev) return;
  throw new Unenforceable(
    `${idLocks} was removed while this server ran, and with it which ids the jobs of this host have; restart the server (running jobs run on)`,
  );
}
