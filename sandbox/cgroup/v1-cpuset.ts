// The cpuset hierarchy of cgroup v1 (Documentation/admin-guide/cgroup-v1/cpusets.rst). A group in it must have processors and
// memory nodes before a process can enter, so podium makes one only for jobs that ask which processors they get.
import { dirname } from "node:path";
import type { Limits } from "../spec.ts";
import { readControl, writeControl } from "./control-file.ts";
import { makeGroupIfMissing } from "./folder.ts";
import { membersOf } from "./placement.ts";

export function wantsCpuset({ cpuset = "", files = [] }: Limits): boolean {
  return cpuset !== "" || files.some(({ file }) => file.startsWith("cpuset."));
}

/**
 * Makes a job's group unless it is there, with all processors and memory nodes of the group above, and moves the job's
 * processes into it. `besides`: a group that they are in. Throws CgroupError.
 */
export function ensureCpusetGroup(folder: string, besides: string | undefined): void {
  const jobs = dirname(folder);
  for (const group of [dirname(jobs), jobs, folder]) {
    makeGroupIfMissing(group);
    for (const file of ["cpuset.cpus", "cpuset.mems"]) inherit(group, file);
  }
  if (besides === undefined) return;
  for (const pid of membersOf(besides)) moveUnlessGone(folder, pid);
}

function inherit(group: string, file: string): void {
  if (readControl(group, file).trim() === "") writeControl(group, file, readControl(dirname(group), file).trim());
}

function moveUnlessGone(folder: string, pid: number): void {
  try {
    writeControl(folder, "cgroup.procs", String(pid));
  } catch (error) {
    if ((error as { code?: string }).code !== "ESRCH") throw error;
  }
}
