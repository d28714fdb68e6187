// Entering a running job: its control group and its namespaces, in the order of a start (steps.ts). All is looked up through
// one open folder of /proc, which never becomes another process's.
import { readFileSync } from "node:fs";
import { openGroup } from "../cgroup/create.ts";
import type { CgroupPlan } from "../cgroup/group.ts";
import { close, O_RDONLY, open } from "../sys/descriptors.ts";
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUTS,
  setns,
} from "../sys/namespaces.ts";
import { openProcess } from "../sys/process-identity.ts";
import { step } from "./step.ts";

/** After the mount namespace /proc is the job's: descriptors are opened before. */
const kinds = [
  ["cgroup", CLONE_NEWCGROUP],
  ["ipc", CLONE_NEWIPC],
  ["uts", CLONE_NEWUTS],
  ["net", CLONE_NEWNET],
  ["mnt", CLONE_NEWNS],
] as const;

const ended = "the job's command has ended";

/** The job to enter. */
export interface Destination {
  /** The command's, as the host sees it. */
  readonly pid: number;
  /** When it started (process-identity.ts); null: an older podium wrote none down. */
  readonly startTicks: number | null;
  readonly cgroup: CgroupPlan;
  /** Name of the job's group: the process with `pid` must be in it. */
  readonly group: string;
}

/** An open folder of /proc for the process that is to be the job's command. */
export interface Target {
  readonly folder: number;
}

/** What is left to enter, and the host id of uid 0 there. */
export interface Joined {
  readonly userNamespace: number;
  readonly idBase: number;
}

export function openTarget({ pid, startTicks }: Destination): Target {
  return step("process", () => {
    const folder = openProcess(pid, startTicks);
    if (folder === null) throw new Error(ended);
    return { folder };
  });
}

/** Children of this process are in the target's pid namespace from now on: if it is a job's, they die with the job. */
export function joinPidNamespace({ folder }: Target): void {
  step("pid namespace", () => {
    const fd = open(`/proc/self/fd/${folder}/ns/pid`, O_RDONLY);
    setns(fd, CLONE_NEWPID);
    close(fd);
  });
}

/** This process is in the job's group by now: wherever that is one of podium's, the other must be there too. */
function requireSameGroup(theirs: string, group: string): void {
  const ours = readFileSync("/proc/self/cgroup", "utf8");
  const groups = (text: string) => text.split("\n").filter((line) => line.endsWith(`/jobs/${group}`));
  const [mine, other] = [groups(ours), new Set(groups(theirs))];
  if (mine.length > 0 && mine.every((line) => other.has(line))) return;
  throw new Error(ended);
}

/** In a child, which has one thread: into the job's group and all of its namespaces but the user namespace. */
export function joinJob({ folder }: Target, { cgroup, group }: Destination): Joined {
  const at = (name: string) => `/proc/self/fd/${folder}/${name}`;
  step("cgroup", () => openGroup(cgroup, group).enter());
  step("process", () => requireSameGroup(readFileSync(at("cgroup"), "utf8"), group));
  const idBase = step("namespaces", () => idBaseOf(readFileSync(at("uid_map"), "utf8")));
  const [userNamespace, ...namespaces] = step("namespaces", () => [
    open(at("ns/user"), O_RDONLY),
    ...kinds.map(([name]) => open(at(`ns/${name}`), O_RDONLY)),
  ]) as [number, ...number[]];
  close(folder);
  for (const [i, [name, kind]] of kinds.entries()) {
    step(`${name} namespace`, () => setns(namespaces[i] as number, kind));
    close(namespaces[i] as number);
  }
  return { userNamespace, idBase };
}

/** Where uid 0 is on the host (user_namespaces(7)). */
function idBaseOf(map: string): number {
  const [, base] = /^\s*0\s+(\d+)\s/m.exec(map) ?? [];
  if (base === undefined) throw new Error(ended);
  return Number(base);
}
