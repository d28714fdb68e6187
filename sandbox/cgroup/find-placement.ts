// Finds where this server's groups go, once at its start. docs/cgroups.md says in which order the places are tried.
import { readFileSync } from "node:fs";
import { CgroupError } from "./errors.ts";
import { type CgroupPlan, v2Controllers } from "./group.ts";
import { type MountInfo, parseMountInfo } from "./mountinfo.ts";
import { findV1Placement } from "./placement-v1.ts";
import { findV2Placement } from "./placement-v2.ts";
import { type Membership, parseProcCgroup } from "./proc-cgroup.ts";

/** What the search looks at, as text, so that tests can describe any host. */
export interface Host {
  /** Content of /proc/self/cgroup. */
  readonly procCgroup: string;
  /** Content of /proc/self/mountinfo. */
  readonly mountinfo: string;
  /** Name of pid 1 (/proc/1/comm). */
  readonly initName: string;
  readonly pid: number;
}

/** The same, parsed. */
export interface Surroundings {
  readonly mounts: readonly MountInfo[];
  readonly memberships: readonly Membership[];
  readonly initName: string;
  readonly pid: number;
}

function readHost(): Host {
  return {
    procCgroup: readFileSync("/proc/self/cgroup", "utf8"),
    mountinfo: readFileSync("/proc/self/mountinfo", "utf8"),
    initName: readFileSync("/proc/1/comm", "utf8").trimEnd(),
    pid: process.pid,
  };
}

/**
 * The place of the groups of one DATA: folders called `podium-TAG` below the server's own groups. On v2 it may move
 * the calling process, whose children then follow, into a group of its own (docs/cgroups.md); on v1 it only looks.
 * A controller that the host lacks is not fatal: the plan says which limits cannot be enforced, and why.
 * @param tag the id of the DATA, hexadecimal
 * @throws CgroupError when no place can be had: the reason and the mend
 */
export function findPlacement(tag: string, host: Host = readHost()): CgroupPlan {
  if (!/^[0-9a-f]{1,64}$/.test(tag)) throw new CgroupError(`tag "${tag}" is not a hexadecimal id`);
  const surroundings: Surroundings = {
    mounts: parseMountInfo(host.mountinfo),
    memberships: parseProcCgroup(host.procCgroup),
    initName: host.initName,
    pid: host.pid,
  };
  const v1Plan = findV1Placement(tag, surroundings);
  if (v1Plan !== null) return v1Plan;
  const mount = surroundings.mounts.find(({ type }) => type === "cgroup2");
  if (mount !== undefined) return findV2Placement(tag, surroundings, mount);
  throw new CgroupError(
    `no control groups: neither cgroup v2 nor one of the v1 controllers ${v2Controllers.join(", ")} is mounted: ` +
      "run mount -t cgroup2 cgroup2 /sys/fs/cgroup",
  );
}
