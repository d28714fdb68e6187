import type { Limits } from "../spec.ts";
import { readControlIfThere } from "./control-file.ts";
import type { Surroundings } from "./find-placement.ts";
import { type V1Controller, type V1Plan, v1Controllers } from "./group.ts";
import type { MountInfo } from "./mountinfo.ts";
import { groupFolder, isReadOnly } from "./own-group.ts";

/** The controller that enforces each limit, and how the kernel gets one that it lacks. */
interface Enforcer {
  readonly controller: V1Controller | "cpuset";
  readonly mend: string;
}

const blkio: Enforcer = {
  controller: "blkio",
  mend: "use a kernel with CONFIG_BLK_DEV_THROTTLING and mount the blkio controller",
};

const enforcers: Readonly<Record<Exclude<keyof Limits, "files" | "memoryHighBytes">, Enforcer>> = {
  cpus: { controller: "cpu", mend: "use a kernel with CONFIG_CFS_BANDWIDTH and mount the cpu controller" },
  cpuWeight: { controller: "cpu", mend: "use a kernel with CONFIG_FAIR_GROUP_SCHED and mount the cpu controller" },
  cpuset: { controller: "cpuset", mend: "use a kernel with CONFIG_CPUSETS and mount the cpuset controller" },
  memoryBytes: { controller: "memory", mend: "boot with cgroup_enable=memory" },
  pids: { controller: "pids", mend: "use a kernel with CONFIG_CGROUP_PIDS and mount the pids controller" },
  ioBytesPerSecond: blkio,
  ioOperationsPerSecond: blkio,
};

const onlyOnV2 =
  "cgroup v1 has no limit that slows a job down before its memory ends: boot with cgroup_no_v1=all to have all controllers on v2";

/** The plan for a host with at least one of the enforcing controllers on v1; null for any other. */
export function findV1Placement(tag: string, surroundings: Surroundings): V1Plan | null {
  const isMounted = Object.values(enforcers).some(({ controller }) => mountsOf(controller, surroundings).length > 0);
  if (!isMounted) return null;
  const roots: Partial<Record<V1Controller, string>> = {};
  for (const controller of v1Controllers) {
    const folder = ownFolder(controller, surroundings);
    if (folder !== null) roots[controller] = `${folder}/podium-${tag}`;
  }
  const cpuset = ownFolder("cpuset", surroundings);
  const unenforceable: Partial<Record<keyof Limits, string>> = { memoryHighBytes: onlyOnV2 };
  for (const [field, { controller, mend }] of Object.entries(enforcers) as [keyof typeof enforcers, Enforcer][]) {
    const isThere = controller === "cpuset" ? cpuset !== null : roots[controller] !== undefined;
    if (!isThere) unenforceable[field] = whyMissing(controller, mend, surroundings);
  }
  return { version: 1, roots, ...(cpuset !== null && { cpuset: `${cpuset}/podium-${tag}` }), unenforceable };
}

function mountsOf(controller: Enforcer["controller"], { mounts }: Surroundings): MountInfo[] {
  return mounts.filter(({ type, superOptions }) => type === "cgroup" && superOptions.includes(controller));
}

/** The calling process's group in the controller's hierarchy, where a mount shows it and can be written to. */
function ownFolder(controller: Enforcer["controller"], surroundings: Surroundings): string | null {
  const membership = surroundings.memberships.find(({ controllers }) => controllers.includes(controller));
  if (membership === undefined) return null;
  const folders = mountsOf(controller, surroundings)
    .filter((mount) => !isReadOnly(mount))
    .map((mount) => groupFolder(mount, membership.path));
  return folders.find((folder) => folder !== null) ?? null;
}

function whyMissing(controller: Enforcer["controller"], mend: string, surroundings: Surroundings): string {
  const mounts = mountsOf(controller, surroundings);
  const mount = mounts[0];
  if (mount !== undefined && mounts.every(isReadOnly)) {
    return `the ${controller} controller at ${mount.mountPoint} is mounted read-only: mount it writable (containers: run privileged)`;
  }
  if (mount !== undefined) {
    return `the own group of the ${controller} controller is not visible below ${mount.mountPoint}: mount the hierarchy in the own cgroup namespace`;
  }
  const v2Name = controller === "blkio" ? "io" : controller;
  const unified = surroundings.mounts.find(({ type }) => type === "cgroup2");
  const onV2 = unified === undefined ? null : readControlIfThere(unified.mountPoint, "cgroup.controllers");
  if (unified !== undefined && onV2?.trimEnd().split(" ").includes(v2Name)) {
    return `the ${v2Name} controller is on cgroup v2 (${unified.mountPoint}) while others are on v1: boot with cgroup_no_v1=all to have all on v2`;
  }
  return `this host has no ${v2Name} controller (cgroup v1 or v2): ${mend}`;
}
