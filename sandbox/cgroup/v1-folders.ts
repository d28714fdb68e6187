// Where the groups of v1 are: a folder in each hierarchy.
import { dirname } from "node:path";
import type { V1Controller, V1Plan } from "./group.ts";

/** The `jobs/` folder whose groups have a file of this name, or for cpuset the one above it; null: no hierarchy here has. */
export function folderOfFile(plan: V1Plan, file: string): string | null {
  const controller = file.split(".")[0] as V1Controller | "cpuset";
  if (controller === "cpuset") return plan.cpuset === undefined ? null : dirname(plan.cpuset);
  const root = plan.roots[controller];
  return root === undefined ? null : `${root}/jobs`;
}

/** A job's group of the cpuset hierarchy, which is made only when it is needed; null where the host has no such hierarchy. */
export function cpusetFolder({ cpuset }: V1Plan, name: string): string | null {
  return cpuset === undefined ? null : `${cpuset}/jobs/${name}`;
}
