// Entering a running job: its control group, its namespaces, its ids, no capability, a filter. The order is that of a start
// (setup/steps.ts). All is looked up through one open folder of /proc, which never becomes another process's.
import { readFileSync } from "node:fs";
import { openGroup } from "../cgroup/create.ts";
import { step } from "../setup/step.ts";
import { dropGroups, setCapabilities, setIds, setUmask } from "../sys/credentials.ts";
import { close, O_DIRECTORY, O_RDONLY, open } from "../sys/descriptors.ts";
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  setns,
} from "../sys/namespaces.ts";
import { dropBoundingCapability, setNoNewPrivileges, setUndumpable } from "../sys/process.ts";
import { installSeccompFilter } from "../sys/seccomp-filter.ts";
import type { CopyRequest } from "./protocol.ts";

/** After the mount namespace /proc is the job's: descriptors are opened before. */
const kinds = [
  ["cgroup", CLONE_NEWCGROUP],
  ["ipc", CLONE_NEWIPC],
  ["uts", CLONE_NEWUTS],
  ["net", CLONE_NEWNET],
  ["mnt", CLONE_NEWNS],
  ["user", CLONE_NEWUSER],
] as const;
const capabilityNumbers = 64;

/** An open folder of /proc for the process that is to be the job's command. */
export interface Target {
  readonly folder: number;
}

export function openTarget({ pid }: CopyRequest): Target {
  return { folder: step("process", () => open(`/proc/${pid}`, O_RDONLY | O_DIRECTORY)) };
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
  throw new Error("the job's command has ended");
}

/** In the child, which has one thread. Afterwards it is the job's user in the job, and nothing more. Throws StepError. */
export function becomeJob({ folder }: Target, { cgroup, group, user, cwd, seccomp }: CopyRequest): void {
  const at = (name: string) => `/proc/self/fd/${folder}/${name}`;
  step("cgroup", () => openGroup(cgroup, group).enter());
  step("process", () => requireSameGroup(readFileSync(at("cgroup"), "utf8"), group));
  const namespaces = step("namespaces", () =>
    kinds.map(([name, kind]) => ({ name, kind, fd: open(at(`ns/${name}`), O_RDONLY) })),
  );
  close(folder);
  step("user", dropGroups);
  for (const { name, kind, fd } of namespaces) step(`${name} namespace`, () => setns(fd, kind));
  for (const { fd } of namespaces) close(fd);
  step("user", () => becomeUser(user));
  step("cwd", () => process.chdir(cwd));
  step("seccomp", () => {
    for (const filter of seccomp) installSeccompFilter(Buffer.from(filter, "base64"));
  });
}

function becomeUser({ uid, gid }: CopyRequest["user"]): void {
  for (let n = 0; n < capabilityNumbers; n++) if (!dropBoundingCapability(n)) break;
  setIds(uid, gid);
  setUmask(0o022);
  setCapabilities(0n);
  setNoNewPrivileges();
  setUndumpable(); // the new ids made it what fs.suid_dumpable says
}
