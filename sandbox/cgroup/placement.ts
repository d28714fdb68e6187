// The folders that all jobs of one DATA share: `supervisors/` for the zygote and the inits, `jobs/` for the jobs' groups.
import { readFileSync } from "node:fs";
import { isGone } from "../sys/errors.ts";
import { writeControl, writeControlIfThere } from "./control-file.ts";
import { CgroupError, reasonOf } from "./errors.ts";
import { groupsIn, makeGroupIfMissing, removeGroup, tryToRemove } from "./folder.ts";
import type { CgroupPlan } from "./group.ts";
import { pause } from "./pause.ts";

/** How long a leftover job gets from the first kill to the last process's end. */
const killTimeoutMs = 2_000;

/** Makes what is missing of the root, `supervisors` and `jobs`. Throws CgroupError. */
export function preparePlacement(plan: CgroupPlan): void {
  for (const root of controlledRoots(plan)) {
    makeGroupIfMissing(root);
    enableControllers(plan, root);
    makeGroupIfMissing(`${root}/supervisors`);
    makeGroupIfMissing(`${root}/jobs`);
    enableControllers(plan, `${root}/jobs`);
  }
}

/** v2: what the groups in this group may limit. */
function enableControllers(plan: CgroupPlan, folder: string): void {
  if (plan.version === 1) return;
  writeControl(folder, "cgroup.subtree_control", plan.controllers.map((controller) => `+${controller}`).join(" "));
}

/** Moves the calling process, and so all that it will fork, beside the jobs' groups. Throws CgroupError. */
export function enterSupervisors(plan: CgroupPlan): void {
  for (const root of controlledRoots(plan)) writeControl(`${root}/supervisors`, "cgroup.procs", "0");
}

/** Removes all groups of the plan in which no process lives. Returns the folders that are still busy; none = all is gone. */
export function removePlacement(plan: CgroupPlan): string[] {
  const busy: string[] = [];
  for (const root of rootsOf(plan)) {
    const jobs = groupsIn(`${root}/jobs`).map((name) => `${root}/jobs/${name}`);
    const groups = [...jobs, `${root}/supervisors`];
    const left = groups.filter((folder) => !tryToRemove(folder));
    busy.push(...left);
    if (left.length === 0 && !(tryToRemove(`${root}/jobs`) && tryToRemove(root))) busy.push(root);
  }
  return busy;
}

/**
 * Ends and removes the groups below `jobs/` that no kept job owns: what a crash left. Returns the names of the removed.
 * Throws CgroupError when a process in one cannot be ended.
 */
export function sweepJobs(plan: CgroupPlan, keep: ReadonlySet<string>): string[] {
  const swept = new Set<string>();
  for (const root of rootsOf(plan)) {
    for (const name of groupsIn(`${root}/jobs`)) {
      if (keep.has(name)) continue;
      endGroup(`${root}/jobs/${name}`);
      swept.add(name);
    }
  }
  return [...swept];
}

/** Ends and removes one group of those, if it is there. Throws CgroupError. */
export function sweepJob(plan: CgroupPlan, name: string): void {
  for (const root of rootsOf(plan)) endGroup(`${root}/jobs/${name}`);
}

function endGroup(folder: string): void {
  const deadline = performance.now() + killTimeoutMs;
  while (!tryToRemove(folder) && performance.now() < deadline) {
    // cgroup.kill is there on v2 since 5.14.
    if (!writeControlIfThere(folder, "cgroup.kill", "1")) killMembers(folder);
    pause(2);
  }
  removeGroup(folder);
}

function killMembers(folder: string): void {
  for (const inner of groupsIn(folder)) killMembers(`${folder}/${inner}`);
  for (const pid of membersOf(folder)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      if (!isGone(error)) throw new CgroupError(`cannot end process ${pid} of ${folder}: ${reasonOf(error)}`, error);
    }
  }
}

/** Pids of a group as the caller's pid namespace shows them; none when the group does not exist. Throws CgroupError. */
export function membersOf(folder: string): number[] {
  const path = `${folder}/cgroup.procs`;
  try {
    const pids = readFileSync(path, "latin1").split("\n").map(Number);
    // 0 is a process that the caller's pid namespace does not show, and the empty end.
    return pids.filter((pid) => pid > 0);
  } catch (error) {
    if (isGone(error)) return [];
    throw new CgroupError(`cannot read ${path}: ${reasonOf(error)}`, error);
  }
}

/** Those that are made when the server starts. */
function controlledRoots(plan: CgroupPlan): string[] {
  return plan.version === 2 ? [plan.root] : [...new Set(Object.values(plan.roots))];
}

/** All that there may be. */
function rootsOf(plan: CgroupPlan): string[] {
  const cpuset = plan.version === 1 && plan.cpuset !== undefined ? [plan.cpuset] : [];
  return [...controlledRoots(plan), ...cpuset];
}
