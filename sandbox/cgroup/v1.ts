// A job's group on cgroup v1 (Documentation/admin-guide/cgroup-v1): a folder in each hierarchy.
import { dirname } from "node:path";
import type { ControllerFile, Limits, Usage } from "../spec.ts";
import { close, O_RDONLY, open, read } from "../sys/descriptors.ts";
import { eventfd } from "../sys/eventfd.ts";
import { kindOf } from "../sys/files.ts";
import { POLLIN } from "../sys/poll.ts";
import { readControl, readControlDescriptor, readControlIfThere, writeControl } from "./control-file.ts";
import { counter, parseCounter } from "./counters.ts";
import { makeGroup, removeGroup } from "./folder.ts";
import { type Group, type GroupRequest, type V1Controller, type V1Plan, v1Controllers } from "./group.ts";
import { parseBlkioStat } from "./io-usage.ts";
import { checkLimits, checkRequest, cpuQuotaUs } from "./limits.ts";
import { apply, fileSetting, type Setting } from "./setting.ts";
import { ensureCpusetGroup, wantsCpuset } from "./v1-cpuset.ts";
import { cpusetFolder } from "./v1-folders.ts";

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
    const cpuset = cpusetFolder(plan, request.name);
    if (cpuset !== null && wantsCpuset(request.limits)) made.push(cpuset);
    limitNew({ ...folders, cpuset }, request.limits, request.disks);
    return new V1Group(
      plan,
      request.name,
      folders,
      folders.memory === undefined ? noEvents : watchMemory(folders.memory),
    );
  } catch (error) {
    for (const folder of made.reverse()) removeGroup(folder);
    throw error;
  }
}

/** A group that exists, for its figures and limits; without out-of-memory events. */
export function openV1Group(plan: V1Plan, name: string): Group {
  return new V1Group(plan, name, foldersOf(plan, name), noEvents);
}

/** Also the group of the cpuset hierarchy, which is there only when it is needed. */
interface AllFolders extends Folders {
  readonly cpuset: string | null;
}

function limitNew(folders: AllFolders, limits: Limits, disks: readonly string[]): void {
  ensureCpuset(folders, limits);
  apply(v1Settings(folders, limits, disks).filter((setting) => !setting.initial));
}

function ensureCpuset({ cpuset, cpu, pids }: AllFolders, limits: Limits): void {
  if (cpuset !== null && wantsCpuset(limits)) ensureCpusetGroup(cpuset, cpu ?? pids);
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
function v1Settings(folders: AllFolders, limits: Limits, disks: readonly string[]): Setting[] {
  const { memoryBytes, pids, files = [] } = limits;
  const settings: Setting[] = [];
  if (folders.cpu !== undefined) settings.push(...cpuSettings(folders.cpu, limits));
  if (folders.memory !== undefined) settings.push(...memorySettings(folders.memory, memoryBytes));
  if (folders.pids !== undefined) {
    const value = pids === 0 ? "max" : String(pids);
    settings.push({ field: "pids", folder: folders.pids, file: "pids.max", value, initial: pids === 0 });
  }
  if (folders.blkio !== undefined) settings.push(...ioSettings(folders.blkio, limits, disks));
  if (folders.cpuset !== null) settings.push(...cpusetSettings(folders.cpuset, limits));
  return [...settings, ...files.map((file) => fileSetting(folders[controllerOf(file)] ?? "", file))];
}

function controllerOf({ file }: ControllerFile): keyof AllFolders {
  return file.split(".")[0] as keyof AllFolders;
}

/** cpu.shares of a new group; v2's usual weight of 100 stands for it. */
const usualShares = 1024;
const usualWeight = 100;

function cpuSettings(folder: string, { cpus, cpuWeight = 0 }: Limits): Setting[] {
  const quota = String(cpus === 0 ? -1 : cpuQuotaUs(cpus));
  const shares = String(Math.max(2, Math.round(((cpuWeight || usualWeight) * usualShares) / usualWeight)));
  return [
    // A new group has a cpu.cfs_period_us of cpuPeriodUs.
    { field: "cpus", folder, file: "cpu.cfs_quota_us", value: quota, initial: cpus === 0 },
    { field: "cpuWeight", folder, file: "cpu.shares", value: shares, initial: cpuWeight === 0 },
  ];
}

/** Taken back, it is what the group above has; without the group there is nothing to take back. */
function cpusetSettings(folder: string, { cpuset = "" }: Limits): Setting[] {
  if (cpuset === "" && kindOf(folder) === null) return [];
  const value = cpuset || readControl(dirname(folder), "cpuset.cpus").trim();
  return [{ field: "cpuset", folder, file: "cpuset.cpus", value, initial: cpuset === "" }];
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

function ioSettings(folder: string, limits: Limits, disks: readonly string[]): Setting[] {
  const { ioBytesPerSecond, ioOperationsPerSecond = 0 } = limits;
  const both = (field: "ioBytesPerSecond" | "ioOperationsPerSecond", unit: string, perSecond: number) =>
    disks.flatMap((disk) =>
      ["read", "write"].map((direction) => ({
        field,
        folder,
        initial: perSecond === 0,
        file: `blkio.throttle.${direction}_${unit}_device`,
        value: `${disk} ${perSecond}`,
      })),
    );
  return [
    ...both("ioBytesPerSecond", "bps", ioBytesPerSecond),
    ...both("ioOperationsPerSecond", "iops", ioOperationsPerSecond),
  ];
}

/** Without a limit the kernel shows the largest multiple of a page below 2^63. */
const noLimitBytes = 2 ** 62;

/** Descriptors of a group whose out-of-memory events are watched. */
interface MemoryWatch {
  readonly events: number;
  readonly control: number;
}

const noEvents: MemoryWatch = { events: -1, control: -1 };

/** Has the kernel add to an eventfd at each out-of-memory event (cgroup-v1/memory.rst, 9 and 10). */
function watchMemory(folder: string): MemoryWatch {
  const control = open(`${folder}/memory.oom_control`, O_RDONLY);
  const events = eventfd();
  try {
    writeControl(folder, "cgroup.event_control", `${events} ${control}`);
    return { events, control };
  } catch (error) {
    close(events);
    close(control);
    throw error;
  }
}

class V1Group implements Group {
  readonly folders: readonly string[];
  readonly oomEvents: { readonly fd: number; readonly events: number };
  readonly #plan: V1Plan;
  readonly #folderOf: AllFolders;
  readonly #watch: MemoryWatch;

  constructor(plan: V1Plan, name: string, folders: Folders, watch: MemoryWatch) {
    this.#plan = plan;
    this.#folderOf = { ...folders, cpuset: cpusetFolder(plan, name) };
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
    const { cpuset } = this.#folderOf;
    if (cpuset !== null && kindOf(cpuset) !== null) writeControl(cpuset, "tasks", "0");
  }

  usage(): Usage {
    const [memoryBytes, pids] = [this.#number("memory", "memory.usage_in_bytes"), this.#number("pids", "pids.current")];
    return { ...this.finalUsage(), memoryBytes, pids };
  }

  finalUsage(): Usage {
    const pidsPeak = this.#text("pids", "pids.peak"); // since 6.1
    const io = parseBlkioStat(
      this.#text("blkio", "blkio.throttle.io_service_bytes") ?? "",
      this.#text("blkio", "blkio.throttle.io_serviced") ?? "",
    );
    return {
      cpuSeconds: this.#number("cpuacct", "cpuacct.usage") / 1e9,
      memoryBytes: 0,
      memoryPeakBytes: this.#number("memory", "memory.max_usage_in_bytes"),
      pids: 0,
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

  memoryLimitBytes(): number {
    const bytes = this.#number("memory", "memory.limit_in_bytes");
    return bytes > noLimitBytes ? 0 : bytes;
  }

  limit(limits: Limits, disks: readonly string[]): void {
    checkLimits(limits, disks, this.#plan.unenforceable);
    limitNew(this.#folderOf, limits, disks);
  }

  update(limits: Limits, disks: readonly string[]): void {
    checkLimits(limits, disks, this.#plan.unenforceable);
    ensureCpuset(this.#folderOf, limits);
    apply(v1Settings(this.#folderOf, limits, disks));
  }

  kill(): void {}

  remove(again?: () => void): void {
    if (this.#watch.events !== -1) {
      close(this.#watch.events);
      close(this.#watch.control);
    }
    for (const folder of this.folders) removeGroup(folder, again);
    const { cpuset } = this.#folderOf;
    if (cpuset !== null && kindOf(cpuset) !== null) removeGroup(cpuset, again); // a job has one when it asked for processors
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

const counted = Buffer.alloc(8);

function resetEventCounter(fd: number): void {
  read(fd, counted); // null: nothing has happened
}
