// What a job is on the host: its control groups and the processes in them.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { CgroupPlan } from "../../sandbox/cgroup/group.ts";
import type { LiveServer } from "./live-server.ts";

function foldersOf({ data }: Pick<LiveServer, "data">, id: bigint): string[] {
  const plan = JSON.parse(readFileSync(join(data, "cgroup.json"), "utf8")) as CgroupPlan;
  const name = join(data, "jobs", String(id), "group"); // there when the job was ready-made: its group has a name of its own
  const group = existsSync(name) ? readFileSync(name, "utf8").trim() : String(id);
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
