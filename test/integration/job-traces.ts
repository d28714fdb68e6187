// What a job is on the host: its control groups and the processes in them.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { CgroupPlan } from "../../sandbox/cgroup/group.ts";
import { readGroup } from "../../src/jobs/folder.ts";
import type { LiveServer } from "./live-server.ts";

function foldersOf({ data }: Pick<LiveServer, "data">, id: bigint): string[] {
  const plan = JSON.parse(readFileSync(join(data, "cgroup.json"), "utf8")) as CgroupPlan;
  const group = readGroup(join(data, "jobs", String(id))) ?? String(id); // that of a ready-made job has a name of its own
  const roots = plan.version === 2 ? [plan.root] : [...new Set(Object.values(plan.roots))];
  return roots.map((root) => `${root}/jobs/${group}`);
}

/** Control groups of the job that are there. */
export function groupsOf(server: Pick<LiveServer, "data">, id: bigint): string[] {
  return foldersOf(server, id).filter((folder) => existsSync(folder));
}

/** Pids of the job's processes; init, which lives beside, is none of them. */
export function processesOf(server: Pick<LiveServer, "data">, id: bigint): number[] {
  const files = groupsOf(server, id).map((folder) => `${folder}/cgroup.procs`);
  const text = files.map((file) => readFileSync(file, "utf8")).join("");
  return [...new Set(text.split("\n").filter(Boolean).map(Number))];
}
