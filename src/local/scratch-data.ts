// The throw-away DATA of one `podium sandbox`: a folder below /run/podium that a lock marks as alive. What a killed podium
// left is removed by the next one.
import {
  fstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { NetworkError } from "../../net/errors.ts";
import { CgroupError } from "../../sandbox/cgroup/errors.ts";
import { findPlacement } from "../../sandbox/cgroup/find-placement.ts";
import type { CgroupPlan } from "../../sandbox/cgroup/group.ts";
import { pause } from "../../sandbox/cgroup/pause.ts";
import { preparePlacement, removePlacement, sweepJobs } from "../../sandbox/cgroup/placement.ts";
import { close, O_CREAT, O_RDWR, open, tryLockByte } from "../../sandbox/sys/descriptors.ts";
import { isGone } from "../../sandbox/sys/errors.ts";
import { makeFifo } from "../../sandbox/sys/mounts.ts";
import { removeLocalNetwork } from "./network.ts";
import { removeLocalWork } from "./work.ts";

const runFolder = "/run/podium";
const prefix = "local-";

/** How long the last processes, already killed, may take to leave their groups. */
const leaveTimeoutMs = 4000;

interface Claim {
  readonly folder: string;
  readonly lock: number;
}

export interface ScratchData extends Claim {
  readonly jobFolder: string;
  readonly stage: string;
  readonly cgroup: CgroupPlan;
}

export async function makeScratchData(): Promise<ScratchData> {
  mkdirSync(runFolder, { recursive: true, mode: 0o700 });
  await removeAbandoned();
  const claim = claimFolder();
  try {
    return fill(claim);
  } catch (error) {
    removeScratchData(claim);
    throw error;
  }
}

function fill({ folder, lock }: Claim): ScratchData {
  // Hexadecimal, so that the id is one for groups too.
  const cgroup = findPlacement(Buffer.from(folder.slice(-6)).toString("hex"));
  // Written down before it is made: whoever sweeps may live in other groups and would look below those.
  writeFileSync(planFile(folder), JSON.stringify(cgroup));
  preparePlacement(cgroup);
  const [jobFolder, stage] = [`${folder}/job`, `${folder}/stage`];
  for (const path of [jobFolder, stage]) mkdirSync(path, { mode: 0o700 });
  for (const stream of ["stdout", "stderr"]) makeFifo(`${jobFolder}/${stream}`, 0o600);
  return { folder, lock, jobFolder, stage, cgroup };
}

function planFile(folder: string): string {
  return `${folder}/cgroup.json`;
}

/** A new folder with its lock. Another podium may take it for abandoned before it is locked; then it is not this one. */
function claimFolder(): Claim {
  for (;;) {
    const folder = mkdtempSync(join(runFolder, prefix));
    const lock = openLock(folder, O_RDWR | O_CREAT);
    if (lock === null) continue;
    if (tryLockByte(lock, 0) && fstatSync(lock).nlink === 1) return { folder, lock };
    close(lock);
  }
}

/** null when the folder or its lock is not there (any more). */
function openLock(folder: string, flags: number): number | null {
  try {
    return open(`${folder}/lock`, flags, 0o600);
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

/** Removes the groups and the folder; the folder stays when a group does, so that the next podium tries again. */
export function removeScratchData({ folder, lock }: Claim): void {
  try {
    const plan = readPlan(folder);
    const isOver = plan === null || removeGroups(plan);
    if (isOver && removeLocalWork(folder)) rmSync(folder, { recursive: true, force: true });
  } finally {
    close(lock);
  }
}

/** null: it had not come to groups yet. */
function readPlan(folder: string): CgroupPlan | null {
  try {
    return JSON.parse(readFileSync(planFile(folder), "utf8")) as CgroupPlan;
  } catch (error) {
    if (isGone(error) || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Also ends and removes what a killed init left. False when something lives on. */
function removeGroups(cgroup: CgroupPlan): boolean {
  sweepJobs(cgroup, new Set());
  const deadline = performance.now() + leaveTimeoutMs;
  while (removePlacement(cgroup).length > 0) {
    if (performance.now() >= deadline) return false;
    pause(2);
  }
  return true;
}

async function removeAbandoned(): Promise<void> {
  for (const name of readdirSync(runFolder)) {
    if (name.startsWith(prefix)) await removeIfAbandoned(join(runFolder, name));
  }
}

async function removeIfAbandoned(folder: string): Promise<void> {
  const lock = openLock(folder, O_RDWR);
  if (lock === null) return removeEmpty(folder);
  if (!tryLockByte(lock, 0)) return close(lock);
  try {
    await removeLocalNetwork(folder);
    removeScratchData({ folder, lock });
  } catch (error) {
    // A process that nothing can end, a network that cannot be removed: no reason not to run this job.
    if (!(error instanceof CgroupError || error instanceof NetworkError)) throw error;
  }
}

/** A podium that was killed before it made its lock; one that is about to make it takes another folder. */
function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENOTEMPTY") throw error;
  }
}
