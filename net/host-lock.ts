// One at a time on this host: finding a free subnet and taking it by a bridge.
import { mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { close, O_CREAT, O_RDWR, open, tryLockByte } from "../sandbox/sys/descriptors.ts";

const folder = "/run/podium";
const file = `${folder}/network`;
const pauseMs = 5;

/** The kernel gives the lock back however the holder ends. */
export async function withHostLock<T>(work: () => Promise<T>): Promise<T> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = open(file, O_RDWR | O_CREAT, 0o600);
  try {
    while (!tryLockByte(lock, 0)) await sleep(pauseMs);
    return await work();
  } finally {
    close(lock);
  }
}
