// Where groups may be made on cgroup v2. A group with processes of its own cannot have limited groups below it (the
// no-internal-process rule, cgroup-v2.rst), so a place is a group that holds nobody, or only this server, which then
// moves into a leaf called `server`.
import { existsSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { Limits } from "../spec.ts";
import { readControl, writeControl } from "./control-file.ts";
import { CgroupError } from "./errors.ts";
import type { Surroundings } from "./find-placement.ts";
import { makeGroupIfMissing, tryToRemove } from "./folder.ts";
import { type V2Controller, type V2Plan, v2Controllers } from "./group.ts";
import type { MountInfo } from "./mountinfo.ts";
import { groupFolder, isReadOnly } from "./own-group.ts";
import { membersOf } from "./placement.ts";
import { delegatedScope } from "./systemd-scope.ts";

/** What each controller enforces. */
const fields: Readonly<Record<V2Controller, readonly (keyof Limits)[]>> = {
  cpu: ["cpus", "cpuWeight"],
  memory: ["memoryBytes", "memoryHighBytes"],
  pids: ["pids"],
  io: ["ioBytesPerSecond", "ioOperationsPerSecond"],
  cpuset: ["cpuset"],
};

interface Place {
  /** The group below which `podium-TAG` goes. */
  readonly base: string;
  /** True when the server has to leave `base` for its leaf `server`. */
  readonly moves: boolean;
}

/** Takes the first place that can be had. Throws CgroupError with what stood against each, and the mend. */
export function findV2Placement(tag: string, surroundings: Surroundings, mount: MountInfo): V2Plan {
  if (isReadOnly(mount)) {
    throw new CgroupError(
      `cgroup v2 at ${mount.mountPoint} is mounted read-only: mount it writable (containers: run privileged)`,
    );
  }
  const path = surroundings.memberships.find(({ controllers }) => controllers.length === 0)?.path ?? "";
  const own = groupFolder(mount, path);
  const searches = [
    () => unitAbove(own),
    () => scope(tag, surroundings, mount),
    () => ownGroup(own, surroundings.pid),
    () => topLevel(mount),
  ];
  const reasons: string[] = [];
  for (const search of searches) {
    try {
      const place = search();
      if (place !== null) return take(place, tag, surroundings.pid);
    } catch (error) {
      if (!(error instanceof CgroupError)) throw error;
      reasons.push(error.message);
    }
  }
  throw new CgroupError(
    `no place for control groups: ${reasons.join("; ")}: run podium as a systemd service with Delegate=yes and ` +
      "DelegateSubgroup=server, or as the only process of its container",
  );
}

/** The server sits in the leaf `server` already: DelegateSubgroup=server of its unit, or an earlier start of its own. */
function unitAbove(own: string | null): Place | null {
  if (own === null || basename(own) !== "server") return null;
  const base = dirname(own);
  return membersOf(base).length === 0 ? { base, moves: false } : null;
}

function scope(tag: string, { initName, pid }: Surroundings, mount: MountInfo): Place | null {
  if (initName !== "systemd" || mount.root !== "/" || !isHostRoot(mount.mountPoint)) return null;
  return { base: delegatedScope(tag, pid, mount), moves: true };
}

function ownGroup(own: string | null, pid: number): Place | null {
  if (own === null) throw new CgroupError("the own group is not visible in the mounted cgroup v2");
  if (isHostRoot(own)) return null;
  const others = membersOf(own).filter((member) => member !== pid);
  if (others.length > 0)
    throw new CgroupError(`the own group ${own} holds other processes (${others.slice(0, 3).join(", ")})`);
  return { base: own, moves: true };
}

function topLevel(mount: MountInfo): Place {
  const base = mount.mountPoint;
  if (mount.root.startsWith("/..")) throw new CgroupError(`${base} shows groups outside of the own cgroup namespace`);
  if (!isHostRoot(base) && membersOf(base).length > 0)
    throw new CgroupError(`the top-level group ${base} holds processes`);
  return { base, moves: false };
}

/** Only the root of the whole hierarchy has no type, and only it may hold processes beside limited groups. */
function isHostRoot(folder: string): boolean {
  return !existsSync(`${folder}/cgroup.type`);
}

/** Moves the server if need be and turns the controllers on; back again when the kernel refuses. */
function take(place: Place, tag: string, pid: number): V2Plan {
  const { base, moves } = place;
  const controllers = controllersOf(base);
  if (controllers.length === 0)
    throw new CgroupError(`${base} has none of the controllers ${v2Controllers.join(", ")}`);
  const leaf = `${base}/server`;
  if (moves) {
    makeGroupIfMissing(leaf);
    writeControl(leaf, "cgroup.procs", String(pid));
  }
  try {
    writeControl(base, "cgroup.subtree_control", controllers.map((controller) => `+${controller}`).join(" "));
  } catch (error) {
    if (moves) {
      writeControl(base, "cgroup.procs", String(pid));
      tryToRemove(leaf);
    }
    throw error;
  }
  return { version: 2, root: `${base}/podium-${tag}`, controllers, unenforceable: unenforceableIn(base, controllers) };
}

function controllersOf(folder: string): V2Controller[] {
  const names = readControl(folder, "cgroup.controllers").trimEnd().split(" ");
  return v2Controllers.filter((controller) => names.includes(controller));
}

function unenforceableIn(base: string, controllers: readonly V2Controller[]): V2Plan["unenforceable"] {
  const lacking = v2Controllers.filter((controller) => !controllers.includes(controller));
  return Object.fromEntries(
    lacking.flatMap((controller) => {
      const reason = `${base} has no ${controller} controller (cgroup v2): delegate it (systemd: Delegate=yes)${bootMend(controller)}`;
      return fields[controller].map((field) => [field, reason]);
    }),
  );
}

function bootMend(controller: V2Controller): string {
  return controller === "memory" ? ", or boot with cgroup_enable=memory" : "";
}
