// What podium needs of a control group, whatever the kernel offers: v2.ts and v1.ts each implement it.
import type { Limits, Usage } from "../spec.ts";

/** In the order in which a process enters them: memory last, so that little of entering is charged to the job. */
export const v1Controllers = ["cpu", "cpuacct", "pids", "blkio", "memory"] as const;
export type V1Controller = (typeof v1Controllers)[number];

export const v2Controllers = ["cpu", "memory", "pids", "io", "cpuset"] as const;
export type V2Controller = (typeof v2Controllers)[number];

/** Limits that this host cannot enforce, each with the reason and the mend; a request for one of them is refused. */
export type Unenforceable = Readonly<Partial<Record<keyof Limits, string>>>;

export interface V2Plan {
  readonly version: 2;
  /** Absolute folder that holds `supervisors/` and `jobs/`. */
  readonly root: string;
  /** Controllers that the jobs' groups have. */
  readonly controllers: readonly V2Controller[];
  readonly unenforceable: Unenforceable;
}

export interface V1Plan {
  readonly version: 1;
  /** Absolute folder per controller that the host has, each holding `supervisors/` and `jobs/`; two may share one. */
  readonly roots: Readonly<Partial<Record<V1Controller, string>>>;
  /** The same for the cpuset controller, where it is there; made when a job asks for processors (v1-cpuset.ts). */
  readonly cpuset?: string;
  readonly unenforceable: Unenforceable;
}

/** Where this server's groups are, found once at start (find-placement.ts): plain data that the zygote gets as JSON. */
export type CgroupPlan = V2Plan | V1Plan;

/** The group of one job. Made and removed by init as host root; never touched by the job. */
export interface Group {
  /**
   * Called by the command's process itself, before its first own instruction and while it has one thread. Throws on
   * failure. On v1 it costs about 0.4 ms; on v2 several milliseconds when moves are rare (docs/cgroups.md), which
   * `clone3` with CLONE_INTO_CGROUP on a descriptor of `folders[0]` spares.
   */
  enter(): void;
  /** The group's folders: one on v2, one per hierarchy on v1. */
  readonly folders: readonly string[];
  /** Live figures; they stay readable until `remove`. A figure whose controller the host lacks is 0. */
  usage(): Usage;
  /** The same of a group in which nobody is left: what is in use is not read, and is 0. */
  finalUsage(): Usage;
  /** Times that the kernel killed a member because of the memory limit. Also re-arms `oomEvents`: call it after each wake-up. */
  oomKills(): number;
  /** What to poll(2) for an out-of-memory event: v1 an eventfd with POLLIN, v2 `memory.events` with POLLPRI; fd -1 where there is none. */
  readonly oomEvents: { readonly fd: number; readonly events: number };
  /** Gives limits to a group that has none yet. Throws CgroupError with field and reason. */
  limit(limits: Limits, disks: readonly string[]): void;
  /** The memory limit that holds now, in bytes; 0 = none. */
  memoryLimitBytes(): number;
  /** Replaces the limits of the running group; 0 lifts one. Throws at the first that the kernel refuses (memory below what is in use: EBUSY). */
  update(limits: Limits, disks: readonly string[]): void;
  /** Kills what is left where the kernel can (v2: cgroup.kill). A no-op on v1, where init's kill(-1) does it. */
  kill(): void;
  /** Closes the descriptors and removes the group; `again` is called while a process is left in it, and it throws when one stays. */
  remove(again?: () => void): void;
}

export interface GroupRequest {
  /** Folder name of the group below `jobs/`: letters, digits, `-` and `_`. */
  readonly name: string;
  readonly limits: Limits;
  /** Whole disks (`major:minor`, block-device.ts) that `limits.ioBytesPerSecond` applies to. */
  readonly disks: readonly string[];
}
