// The plan of the groups, as a file: the next server, the next sandbox and doctor find what was made elsewhere.
import { existsSync, readFileSync } from "node:fs";
import { isGone } from "../sys/errors.ts";
import type { CgroupPlan } from "./group.ts";

/** null: there was none, it is half written, or the host has been restarted since and its folders are gone. */
export function readPlanFile(file: string): CgroupPlan | null {
  const plan = parsed(file);
  if (plan === null) return null;
  const roots = plan.version === 2 ? [plan.root] : Object.values(plan.roots);
  return roots.every((root) => existsSync(root)) ? plan : null;
}

function parsed(file: string): CgroupPlan | null {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as CgroupPlan;
  } catch (error) {
    if (isGone(error) || error instanceof SyntaxError) return null;
    throw error;
  }
}
