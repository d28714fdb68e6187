// The part of the seam that is about where the control groups of all jobs are.
import { writeFileSync } from "node:fs";
import { findPlacement } from "../../sandbox/cgroup/find-placement.ts";
import type { CgroupPlan } from "../../sandbox/cgroup/group.ts";
import { removePlacement, sweepJobs } from "../../sandbox/cgroup/placement.ts";
import { readPlanFile } from "../../sandbox/cgroup/plan-file.ts";

/** The id of the DATA, and its file that remembers the place. */
interface PlacementFolders {
  readonly tag: string;
  readonly cgroupPlan: string;
}

/**
 * Where the groups of the last server are, while jobs of its live there; else below the own group, and what the last one
 * left elsewhere goes. A server may be started from another group each time (a login session, a unit).
 */
export function placementFor({ tag, cgroupPlan }: PlacementFolders, jobsRun: boolean): CgroupPlan {
  const last = readPlanFile(cgroupPlan);
  if (last !== null && jobsRun) return last;
  if (last !== null) {
    sweepJobs(last, new Set());
    removePlacement(last);
  }
  const plan = findPlacement(tag);
  writeFileSync(cgroupPlan, `${JSON.stringify(plan)}\n`, { mode: 0o600 });
  return plan;
}
