// A job's group on cgroup v1 (Documentation/admin-guide/cgroup-v1): a folder in each hierarchy.
import { closeSync, openSync, readSync } from "node:fs";
import type { Limits, Usage } from "../spec.ts";
import { eventfd } from "../sys/eventfd.ts";
import { POLLIN } from "../sys/poll.ts";
import { readControl, readControlDescriptor, readControlIfThere, writeControl } from "./control-file.ts";
import { counter, parseCounter } from "./counters.ts";
import { makeGroup, removeGroup } from "./folder.ts";
import { type Group, type GroupRequest, type V1Controller, type V1Plan, v1Controllers } from "./group.ts";
import { parseBlkioStat } from "./io-usage.ts";
import { checkLimits, checkRequest, cpuQuotaUs } from "./limits.ts";
import { apply, type Setting } from "./setting.ts";

type Folders = Readonly<Partial<Record<V1Controller, string>>>;

/** Makes the group with its limits; what was made is removed again when a step fails. Throws CgroupError. */
export function createV1Group(plan: V1Plan, request: GroupRequest): Group {
  checkRequest(request, plan.unenforceable);
  const folders = foldersOf(plan, request.name);
  const made: string[] = [];
  try {
    for (const folder of distinct(folders)) {
      makeGroup(folder);
      made.push(folder);
    }
    apply(v1Settings(folders, request.limits, request.disks).filter((setting) => !setting.initial));
    return new V1Group(plan, folders, folders.memory === undefined ? noEvents : watchMemory(folders.memory));
  } catch (error) {
    for (const folder of made.reverse()) removeGroup(folder);
    throw error;
  }
}

/** A group that exists, for its figures and limits; without out-of-memory events. */
export function openV1Group(plan: V1Plan, name: string): Group {
  return new V1Group(plan, foldersOf(plan, name), noEvents);
}

function foldersOf(plan: V1Plan, name: string): Folders {
  return Object.fromEntries(
    v1Controllers.flatMap((controller) => {
      const root = plan.roots[controller];
      return root === undefined ? [] : [[controller, `${root}/jobs/${name}`]];
    }),
  );
}

/** Each folder once: cpu and cpuacct are mostly one hierarchy. */
function distinct(folders: Folders): string[] {
  return [...new Set(Object.values(folders))];
}

/** The files that a request writes; only those of controllers that the host has. */
function v1Settings(folders: Folders, limits: Limits, disks: readonly string[]): Setting[] {
  const { cpus, memoryBytes, pids, ioBytesPerSecond } = limits;
  const settings: Setting[] = [];
  if (folders.cpu !== undefined) {
    const value = String(cpus === 0 ? -1 : cpuQuotaUs(cpus));
    // A new group has a cpu.cfs_period_us of cpuPeriodUs.
    settings.push({ field: "cpus", folder: folders.cpu, file: "cpu.cfs_quota_us", value, initial: cpus === 0 });
  }
  if (folders.memory !== undefined) settings.push(...memorySettings(folders.memory, memoryBytes));
  if (folders.pids !== undefined) {
    const value = pids === 0 ? "max" : String(pids);
    settings.push({ field: "pids", folder: folders.pids, file: "pids.max", value, initial: pids === 0 });
  }
  if (folders.blkio !== undefined) settings.push(...ioSettings(folders.blkio, ioBytesPerSecond, disks));
  return settings;
}

/** memory.memsw (memory and swap together) must never be below memory.limit, so it is lifted before a change. */
function memorySettings(folder: string, memoryBytes: number): Setting[] {
  const initial = memoryBytes === 0;
  const value = initial ? "-1" : String(memoryBytes);
  const memory = { field: "memoryBytes", folder } as const;
  return [
    { ...memory, initial: true, file: "memory.memsw.limit_in_bytes", value: "-1", missing: "ignore" },
    { ...memory, initial, file: "memory.limit_in_bytes", value },
    // Without swap accounting: swappiness 0, with which the kernel does not swap the group's own pages out for its limit.
    { ...memory, initial, file: "memory.memsw.limit_in_bytes", value, missing: "swappiness" },
  ];
}

function ioSettings(folder: string, bytesPerSecond: number, disks: readonly string[]): Setting[] {
  const io = { field: "ioBytesPerSecond", folder, initial: bytesPerSecond === 0 } as const;
  return disks.flatMap((disk) =>
    ["read", "write"].map((direction) => ({
      ...io,
      file: `blkio.throttle.${direction}_bps_device`,
      value: `${disk} ${bytesPerSecond}`,
    })),
  );
}

/** Descriptors of a group whose out-of-memory events are watched. */
interface MemoryWatch {
  readonly events: number;
  readonly control: number;
}

const noEvents: MemoryWatch = { events: -1, control: -1 };

/** Has the kernel add to an eventfd at each out-of-memory event (cgroup-v1/memory.rst, 9 and 10). */
function watchMemory(folder: string): MemoryWatch {
  const control = openSync(`${folder}/memory.oom_control`, "r");
  const events = eventfd();
  try {
    writeControl(folder, "cgroup.event_control", `${events} ${control}`);
    return { events, control };
  } catch (error) {
    closeSync(events);
    closeSync(control);
    throw error;
  }
}

class V1Group implements Group {
  readonly folders: readonly string[];
  readonly oomEvents: { readonly fd: number; readonly events: number };
  readonly #plan: V1Plan;
  readonly #folderOf: Folders;
  readonly #watch: MemoryWatch;

  constructor(plan: V1Plan, folders: Folders, watch: MemoryWatch) {
    this.#plan = plan;
    this.#folderOf = folders;
    this.#watch = watch;
    this.folders = distinct(folders);
    this.oomEvents = { fd: watch.events, events: POLLIN };
  }

  /**
   * `tasks` rather than `cgroup.procs`: a thread that moves itself need not wait for an RCU grace period
   * (cgroup_procs_write_start in the kernel; 0.05 ms against 6 ms each).
   */
  enter(): void {
    for (const folder of this.folders) writeControl(folder, "tasks", "0");
  }

  usage(): Usage {
    const pidsPeak = this.#text("pids", "pids.peak"); // since 6.1
    const io = parseBlkioStat(
      this.#text("blkio", "blkio.throttle.io_service_bytes") ?? "",
      this.#text("blkio", "blkio.throttle.io_serviced") ?? "",
    );
    return {
      cpuSeconds: this.#number("cpuacct", "cpuacct.usage") / 1e9,
      memoryBytes: this.#number("memory", "memory.usage_in_bytes"),
      memoryPeakBytes: this.#number("memory", "memory.max_usage_in_bytes"),
      pids: this.#number("pids", "pids.current"),
      ...(pidsPeak !== null && { pidsPeak: parseCounter(pidsPeak, "pids.peak") }),
      ...(io !== null && { io }),
    };
  }

  /** `oom_kill` is there since 4.13. */
  oomKills(): number {
    const folder = this.#folderOf.memory;
    if (folder === undefined) return 0;
    if (this.#watch.control === -1) return counter(readControl(folder, "memory.oom_control"), "oom_kill");
    resetEventCounter(this.#watch.events);
    return counter(readControlDescriptor(this.#watch.control), "oom_kill");
  }

  update(limits: Limits, disks: readonly string[]): void {
    checkLimits(limits, disks, this.#plan.unenforceable);
    apply(v1Settings(this.#folderOf, limits, disks));
  }

  kill(): void {}

  remove(): void {
    if (this.#watch.events !== -1) {
      closeSync(this.#watch.events);
      closeSync(this.#watch.control);
    }
    for (const folder of this.folders) removeGroup(folder);
  }

  #number(controller: V1Controller, file: string): number {
    const folder = this.#folderOf[controller];
    return folder === undefined ? 0 : parseCounter(readControl(folder, file), file);
  }

  /** null where the host lacks the controller, or its kernel the file. */
  #text(controller: V1Controller, file: string): string | null {
    const folder = this.#folderOf[controller];
    return folder === undefined ? null : readControlIfThere(folder, file);
  }
}

function resetEventCounter(fd: number): void {
  try {
    readSync(fd, Buffer.alloc(8));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
  }
}
