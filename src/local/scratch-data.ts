// The throw-away DATA of one `podium sandbox`: a folder below /run/podium that a lock marks as alive. What a killed podium
// left is removed by the next one.
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { findPlacement } from "../../sandbox/cgroup/find-placement.ts";
import type { CgroupPlan } from "../../sandbox/cgroup/group.ts";
import { preparePlacement, removePlacement, sweepJobs } from "../../sandbox/cgroup/placement.ts";
import { close, O_CREAT, O_RDWR, open, tryLockByte } from "../../sandbox/sys/descriptors.ts";
import { isGone } from "../../sandbox/sys/errors.ts";
import { makeFifo } from "../../sandbox/sys/mounts.ts";

const runFolder = "/run/podium";
const prefix = "local-";
export const idLocks = `${runFolder}/ids`;

export interface ScratchData {
  readonly folder: string;
  readonly jobFolder: string;
  readonly stage: string;
  readonly cgroup: CgroupPlan;
  readonly lock: number;
}

/** The id of a scratch DATA in the names of host objects: hexadecimal, so that it is one for cgroups too. */
function tagOf(name: string): string {
  return Buffer.from(name.slice(prefix.length)).toString("hex");
}

export function makeScratchData(): ScratchData {
  mkdirSync(runFolder, { recursive: true, mode: 0o700 });
  removeAbandoned();
  const folder = mkdtempSync(join(runFolder, prefix));
  const lock = open(`${folder}/lock`, O_RDWR | O_CREAT, 0o600);
  tryLockByte(lock, 0);
  const cgroup = findPlacement(tagOf(folder.slice(runFolder.length + 1)));
  preparePlacement(cgroup);
  const [jobFolder, stage] = [`${folder}/job`, `${folder}/stage`];
  for (const path of [jobFolder, stage]) mkdirSync(path, { mode: 0o700 });
  for (const stream of ["stdout", "stderr"]) makeFifo(`${jobFolder}/${stream}`, 0o600);
  return { folder, jobFolder, stage, cgroup, lock };
}

export function removeScratchData({ folder, cgroup, lock }: ScratchData): void {
  removePlacement(cgroup);
  rmSync(folder, { recursive: true, force: true });
  close(lock);
}

function removeAbandoned(): void {
  for (const name of readdirSync(runFolder)) {
    if (name.startsWith(prefix)) removeIfAbandoned(name);
  }
}

function removeIfAbandoned(name: string): void {
  const folder = join(runFolder, name);
  let lock: number;
  try {
    lock = open(`${folder}/lock`, O_RDWR);
  } catch (error) {
    if (isGone(error)) return; // being made, or being removed, by another podium at this moment
    throw error;
  }
  try {
    if (!tryLockByte(lock, 0)) return;
    const cgroup = findPlacement(tagOf(name));
    sweepJobs(cgroup, new Set());
    if (removePlacement(cgroup).length === 0) rmSync(folder, { recursive: true, force: true });
  } finally {
    close(lock);
  }
}
