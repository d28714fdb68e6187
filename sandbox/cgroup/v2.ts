// A job's group on cgroup v2 (Documentation/admin-guide/cgroup-v2.rst): one folder.
import { closeSync, openSync } from "node:fs";
import type { Limits, Usage } from "../spec.ts";
import { POLLPRI } from "../sys/poll.ts";
import { readControl, readControlDescriptor, readControlIfThere, writeControl } from "./control-file.ts";
import { counter, parseCounter } from "./counters.ts";
import { CgroupError } from "./errors.ts";
import { makeGroup, removeGroup } from "./folder.ts";
import type { Group, GroupRequest, V2Controller, V2Plan } from "./group.ts";
import { formatIoMax, formatOperations } from "./io-max.ts";
import { parseIoStat } from "./io-usage.ts";
import { checkLimits, checkRequest, cpuPeriodUs, cpuQuotaUs } from "./limits.ts";
import { readPressures } from "./pressure.ts";
import { apply, fileSetting, type Setting } from "./setting.ts";

/** Makes the group with its limits; what was made is removed again when a limit fails. Throws CgroupError. */
export function createV2Group(plan: V2Plan, request: GroupRequest): Group {
  checkRequest(request, plan.unenforceable);
  const folder = `${plan.root}/jobs/${request.name}`;
  makeGroup(folder);
  try {
    limitNew(folder, plan, request.limits, request.disks);
    return new V2Group(folder, plan, plan.controllers.includes("memory") ? openMemoryEvents(folder) : -1);
  } catch (error) {
    removeGroup(folder);
    throw error;
  }
}

function limitNew(folder: string, plan: V2Plan, limits: Limits, disks: readonly string[]): void {
  apply(v2Settings(folder, plan.controllers, limits, disks).filter((setting) => !setting.initial));
}

/** A group that exists, for its figures and limits; without out-of-memory events. */
export function openV2Group(plan: V2Plan, name: string): Group {
  return new V2Group(`${plan.root}/jobs/${name}`, plan, -1);
}

/** The files that a request writes; only those of controllers that the host has. */
export function v2Settings(
  folder: string,
  controllers: readonly V2Controller[],
  limits: Limits,
  disks: readonly string[],
): Setting[] {
  const { cpus, memoryBytes, pids } = limits;
  const settings: Setting[] = [];
  if (controllers.includes("cpu")) {
    const value = `${cpus === 0 ? "max" : cpuQuotaUs(cpus)} ${cpuPeriodUs}`;
    settings.push({ field: "cpus", folder, file: "cpu.max", value, initial: cpus === 0 });
    settings.push(weightSetting(folder, limits));
  }
  if (controllers.includes("cpuset")) settings.push(cpusetSetting(folder, limits));
  if (controllers.includes("memory"))
    settings.push(highSetting(folder, limits), ...memorySettings(folder, memoryBytes));
  if (controllers.includes("pids")) {
    const value = pids === 0 ? "max" : String(pids);
    settings.push({ field: "pids", folder, file: "pids.max", value, initial: pids === 0 });
  }
  if (controllers.includes("io")) settings.push(...ioSettings(folder, limits, disks));
  return [...settings, ...(limits.files ?? []).map((file) => fileSetting(folder, file))];
}

const usualWeight = 100;

function weightSetting(folder: string, { cpuWeight = 0 }: Limits): Setting {
  const value = String(cpuWeight || usualWeight);
  return { field: "cpuWeight", folder, file: "cpu.weight", value, initial: cpuWeight === 0 };
}

/** A newline alone takes the choice back: an empty write would not reach the kernel. */
function cpusetSetting(folder: string, { cpuset = "" }: Limits): Setting {
  return { field: "cpuset", folder, file: "cpuset.cpus", value: cpuset || "\n", initial: cpuset === "" };
}

function highSetting(folder: string, { memoryHighBytes = 0 }: Limits): Setting {
  const initial = memoryHighBytes === 0;
  return {
    field: "memoryHighBytes",
    folder,
    file: "memory.high",
    value: initial ? "max" : String(memoryHighBytes),
    initial,
  };
}

function ioSettings(folder: string, limits: Limits, disks: readonly string[]): Setting[] {
  const { ioBytesPerSecond, ioOperationsPerSecond = 0 } = limits;
  const io = { folder, file: "io.max" } as const;
  return disks.flatMap((disk) => [
    {
      ...io,
      field: "ioBytesPerSecond",
      value: formatIoMax({
        disk,
        readBytesPerSecond: ioBytesPerSecond || none,
        writeBytesPerSecond: ioBytesPerSecond || none,
      }),
      initial: ioBytesPerSecond === 0,
    },
    {
      ...io,
      field: "ioOperationsPerSecond",
      value: formatOperations(disk, ioOperationsPerSecond || none),
      initial: ioOperationsPerSecond === 0,
    },
  ]);
}

const none = Number.POSITIVE_INFINITY;

function memorySettings(folder: string, memoryBytes: number): Setting[] {
  const initial = memoryBytes === 0;
  const memory = { field: "memoryBytes", folder, initial } as const;
  return [
    { ...memory, file: "memory.max", value: initial ? "max" : String(memoryBytes) },
    { ...memory, file: "memory.swap.max", value: initial ? "max" : "0", missing: "swap must be off" },
    // Since 4.19: out of memory ends the whole job instead of one of its processes.
    { ...memory, file: "memory.oom.group", value: initial ? "0" : "1", missing: "ignore" },
  ];
}

/** Once read, the descriptor reports the next change; unread, poll would report the first state as a change. */
function openMemoryEvents(folder: string): number {
  const fd = openSync(`${folder}/memory.events`, "r");
  readControlDescriptor(fd);
  return fd;
}

class V2Group implements Group {
  readonly folders: readonly string[];
  readonly oomEvents: { readonly fd: number; readonly events: number };
  readonly #folder: string;
  readonly #plan: V2Plan;
  #highestSeenBytes = 0;

  constructor(folder: string, plan: V2Plan, memoryEvents: number) {
    this.#folder = folder;
    this.#plan = plan;
    this.folders = [folder];
    this.oomEvents = { fd: memoryEvents, events: POLLPRI };
  }

  enter(): void {
    writeControl(this.#folder, "cgroup.procs", "0");
  }

  usage(): Usage {
    const { controllers } = this.#plan;
    const hasMemory = controllers.includes("memory");
    const memoryBytes = hasMemory ? this.#number("memory.current") : 0;
    const pidsPeak = readControlIfThere(this.#folder, "pids.peak"); // since 6.1
    const pressure = readPressures(this.#folder);
    return {
      // cpu.stat is there without the cpu controller too.
      cpuSeconds: counter(readControl(this.#folder, "cpu.stat"), "usage_usec") / 1e6,
      memoryBytes,
      memoryPeakBytes: hasMemory ? this.#peak(memoryBytes) : 0,
      pids: controllers.includes("pids") ? this.#number("pids.current") : 0,
      ...(pidsPeak !== null && { pidsPeak: parseCounter(pidsPeak, "pids.peak") }),
      ...(controllers.includes("io") && { io: parseIoStat(readControl(this.#folder, "io.stat")) }),
      ...(pressure !== null && { pressure }),
    };
  }

  finalUsage(): Usage {
    return { ...this.usage(), memoryBytes: 0, pids: 0 };
  }

  oomKills(): number {
    if (!this.#plan.controllers.includes("memory")) return 0;
    const { fd } = this.oomEvents;
    return counter(fd === -1 ? readControl(this.#folder, "memory.events") : readControlDescriptor(fd), "oom_kill");
  }

  memoryLimitBytes(): number {
    if (!this.#plan.controllers.includes("memory")) return 0;
    const bytes = this.#number("memory.max");
    return Number.isFinite(bytes) ? bytes : 0;
  }

  limit(limits: Limits, disks: readonly string[]): void {
    checkLimits(limits, disks, this.#plan.unenforceable);
    limitNew(this.#folder, this.#plan, limits, disks);
  }

  update(limits: Limits, disks: readonly string[]): void {
    checkLimits(limits, disks, this.#plan.unenforceable);
    this.#makeRoom(limits.memoryBytes);
    apply(v2Settings(this.#folder, this.#plan.controllers, limits, disks));
  }

  kill(): void {
    writeControl(this.#folder, "cgroup.kill", "1");
  }

  remove(again?: () => void): void {
    if (this.oomEvents.fd !== -1) closeSync(this.oomEvents.fd);
    removeGroup(this.#folder, again);
  }

  /**
   * memory.max below what is in use would end the job. Through memory.high the kernel is first asked to take pages back, and
   * a limit for which it does not find enough is refused, as v1 does.
   */
  #makeRoom(memoryBytes: number): void {
    if (memoryBytes === 0 || this.#number("memory.current") <= memoryBytes) return;
    const high = readControl(this.#folder, "memory.high").trim();
    writeControl(this.#folder, "memory.high", String(memoryBytes));
    const usedBytes = this.#number("memory.current");
    writeControl(this.#folder, "memory.high", high);
    if (usedBytes > memoryBytes)
      throw new CgroupError(`limits.memoryBytes: ${memoryBytes} is less than the ${usedBytes} that are in use: EBUSY`);
  }

  #number(file: string): number {
    return parseCounter(readControl(this.#folder, file), file);
  }

  /** memory.peak is there since 5.19; before it, the highest of the figures asked for so far. */
  #peak(memoryBytes: number): number {
    const peak = readControlIfThere(this.#folder, "memory.peak");
    this.#highestSeenBytes = Math.max(this.#highestSeenBytes, memoryBytes);
    return peak === null ? this.#highestSeenBytes : parseCounter(peak, "memory.peak");
  }
}
