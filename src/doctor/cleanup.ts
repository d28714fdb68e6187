// `podium doctor --cleanup`: takes away what a dead server of one DATA left on the host. Nothing that lives is touched: a
// group goes only when no process is in it, and the networks only when no group is left.
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { networkTag } from "../../net/names.ts";
import { removeNetworks } from "../../net/networks.ts";
import { groupsIn } from "../../sandbox/cgroup/folder.ts";
import type { CgroupPlan } from "../../sandbox/cgroup/group.ts";
import { removePlacement } from "../../sandbox/cgroup/placement.ts";
import { readPlanFile } from "../../sandbox/cgroup/plan-file.ts";
import { DataError } from "../jobs/errors.ts";
import { lockData } from "../jobs/executor-locks.ts";
import { hostObjects } from "./host-objects.ts";

export interface Cleanup {
  /** Each thing that is gone now, for example `link pv0123abcd7`. */
  readonly removed: readonly string[];
  /** What stays, because a job still runs. */
  readonly kept: readonly string[];
}

/** Throws DataError when this is no DATA, or a server uses it. */
export async function cleanUp(folder: string): Promise<Cleanup> {
  const data = resolve(folder);
  const idFile = join(data, "id");
  if (!existsSync(idFile)) throw new DataError(`${data}: is no DATA of a podium server`, "name it with --data");
  if (!lockData(join(data, "lock")))
    throw new DataError(`${data}: a podium server uses it`, "a server removes by itself what an earlier one left");
  const tag = networkTag(readFileSync(idFile, "utf8").trim());
  const plan = readPlanFile(join(data, "cgroup.json"));
  const before = [...groupsOf(plan), ...(await hostObjects(tag))];
  const busy = plan === null ? [] : removePlacement(plan);
  if (busy.length === 0) await removeNetworks(tag);
  const after = new Set([...groupsOf(plan), ...(await hostObjects(tag))]);
  return { removed: before.filter((thing) => !after.has(thing)), kept: [...after] };
}

function groupsOf(plan: CgroupPlan | null): string[] {
  if (plan === null) return [];
  const roots = plan.version === 2 ? [plan.root] : [...new Set(Object.values(plan.roots))];
  return roots
    .flatMap((root) => [root, ...groupsIn(`${root}/jobs`).map((name) => `${root}/jobs/${name}`)])
    .filter((path) => existsSync(path))
    .map((path) => `group ${path}`);
}
