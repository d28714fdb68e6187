import type { CgroupPlan, Group, GroupRequest } from "./group.ts";
import { createV1Group, openV1Group } from "./v1.ts";
import { createV2Group, openV2Group } from "./v2.ts";

/**
 * Makes the group of a job below the plan's `jobs/`, with its limits. Nothing is left when it fails. Throws CgroupError:
 * one sentence with the field or file, the value and the reason.
 */
export function createGroup(plan: CgroupPlan, request: GroupRequest): Group {
  return plan.version === 2 ? createV2Group(plan, request) : createV1Group(plan, request);
}

/** The existing group of a running job, for the server's view of it: usage, oomKills, update. Never fails by itself. */
export function openGroup(plan: CgroupPlan, name: string): Group {
  return plan.version === 2 ? openV2Group(plan, name) : openV1Group(plan, name);
}
