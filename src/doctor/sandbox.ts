// The groups and one real job, as `podium sandbox` makes them.
import { join } from "node:path";
import { CgroupError } from "../../sandbox/cgroup/errors.ts";
import type { CgroupPlan } from "../../sandbox/cgroup/group.ts";
import { readPlanFile } from "../../sandbox/cgroup/plan-file.ts";
import { specOf } from "../../sandbox/request.ts";
import { type Check, lacking, met } from "../../sandbox/requirements/check.ts";
import { limitChecks, splitMend } from "../../sandbox/requirements/limits.ts";
import { seccompPrograms } from "../../sandbox/seccomp/programs.ts";
import { noWish } from "../jobs/network-request.ts";
import { runLocally } from "../local/run.ts";
import { makeScratchData, removeScratchData } from "../local/scratch-data.ts";

/** Where a server's groups are while it or its jobs live, else where groups go that this process makes. */
export async function cgroupChecks(data: string): Promise<Check[]> {
  const plan = readPlanFile(join(data, "cgroup.json"));
  if (plan !== null) return [placeCheck(plan), ...limitChecks(plan, data)];
  try {
    const scratch = await makeScratchData();
    try {
      return [placeCheck(scratch.cgroup), ...limitChecks(scratch.cgroup, data)];
    } finally {
      removeScratchData(scratch);
    }
  } catch (error) {
    if (!(error instanceof CgroupError)) throw error;
    const { detail, mend } = splitMend(error.message);
    return [lacking("cgroup", detail, mend)];
  }
}

function placeCheck(plan: CgroupPlan): Check {
  if (plan.version === 2) return met("cgroup", `v2 with ${plan.controllers.join(", ")}, below ${plan.root}`);
  const roots = Object.entries(plan.roots).map(([controller, root]) => `${controller} ${root}`);
  return met("cgroup", `v1: ${roots.join(", ")}`);
}

/** The proof of all other lines: a job with the default settings, from its fork to its end. */
export async function jobCheck(): Promise<Check> {
  const mend = "mend what failed above; podium sandbox -- true shows the same";
  try {
    const seccomp = seccompPrograms({ kind: "default" }, { capabilities: [], writableGrants: false });
    const spec = specOf({ argv: ["true"] }, { defaultHostname: "doctor", network: { kind: "none" }, seccomp });
    const began = performance.now();
    const { cause, exitCode, message } = await runLocally(spec, {
      network: { ...noWish, mode: "none" },
      terminal: null,
      work: null,
    });
    if (cause !== "EXITED" || exitCode !== 0) return lacking("job", `${cause}: ${message}`, mend);
    return met("job", `a command ran in a sandbox, ${Math.round(performance.now() - began)} ms with all that it needs`);
  } catch (error) {
    return lacking("job", (error as Error).message, mend);
  }
}
