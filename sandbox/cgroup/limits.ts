// From the units of a request to those of the kernel's files, and the refusals that need no kernel.
import type { Limits } from "../spec.ts";
import { CgroupError } from "./errors.ts";
import { checkFurtherLimits } from "./further-limits.ts";
import type { GroupRequest, Unenforceable } from "./group.ts";

/** The kernel's default period, of v1 and v2 alike. */
export const cpuPeriodUs = 100_000;
/** The kernel refuses shorter quotas (min_cfs_quota_period in kernel/sched/core.c). */
const minimumQuotaUs = 1_000;
/** And longer ones: 2^44 − 1 microseconds (MAX_BW in kernel/sched/sched.h). */
const maximumQuotaUs = 2 ** 44 - 1;
/** PID_MAX_LIMIT of 64-bit kernels (pids.max refuses more). */
const maximumPids = 4_194_304;

/** Microseconds of processor time in each period. Throws CgroupError outside of what the kernel takes. */
export function cpuQuotaUs(cpus: number): number {
  const quotaUs = Math.round(cpus * cpuPeriodUs);
  if (!(quotaUs >= minimumQuotaUs)) {
    throw new CgroupError(`limits.cpus: ${cpus} is too low: the least that the kernel can grant is 0.01 cores`);
  }
  if (quotaUs > maximumQuotaUs) {
    throw new CgroupError(`limits.cpus: ${cpus} is too high: ask for the number of cores, or for 0 to have no limit`);
  }
  return quotaUs;
}

/**
 * Checks a request against the host and the kernel's ranges before anything is made. Throws CgroupError naming the
 * field, the reason and the mend.
 */
export function checkRequest(request: GroupRequest, unenforceable: Unenforceable): void {
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(request.name)) {
    throw new CgroupError(`group name "${request.name}": only letters, digits, "-" and "_" may stand in it`);
  }
  checkLimits(request.limits, request.disks, unenforceable);
}

/** The part of checkRequest that a change of limits needs too. */
export function checkLimits(limits: Limits, disks: readonly string[], unenforceable: Unenforceable): void {
  for (const [field, value] of Object.entries(limits) as [keyof Limits, Limits[keyof Limits]][]) {
    if (typeof value === "number") checkAmount(field, value);
    const reason = unenforceable[field];
    if (isAsked(value) && reason !== undefined) throw new CgroupError(`limits.${field}: ${reason}`);
  }
  if (limits.cpus > 0) cpuQuotaUs(limits.cpus);
  checkMemory(limits.memoryBytes);
  checkPids(limits.pids);
  checkIo("ioBytesPerSecond", limits.ioBytesPerSecond, disks);
  checkIo("ioOperationsPerSecond", limits.ioOperationsPerSecond ?? 0, disks);
  checkFurtherLimits(limits);
}

function checkAmount(field: keyof Limits, value: number): void {
  if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) {
    throw new CgroupError(`limits.${field}: ${value} is not a number from 0 up`);
  }
  if (field !== "cpus" && !Number.isSafeInteger(value)) {
    throw new CgroupError(`limits.${field}: ${value} is not a whole number below 2^53`);
  }
}

/** Whether a request asks for a limit: neither 0, "" nor an empty list, which are "none". */
export function isAsked(value: Limits[keyof Limits]): boolean {
  return typeof value === "number" ? value > 0 : value !== undefined && value.length > 0;
}

/**
 * Below this no command can start: in the group its process takes podium's set-up steps (0.5 MiB of copied pages,
 * mounts and namespaces at least) and the first pages of the new program (0.25 MiB for a shell); measured on 6.18.
 * With many grants it takes more; then the kernel ends the process before the command, and the job says so.
 */
export const minimumMemoryBytes = 1024 * 1024;

function checkMemory(memoryBytes: number): void {
  if (memoryBytes > 0 && memoryBytes < minimumMemoryBytes) {
    throw new CgroupError(
      `limits.memoryBytes: ${memoryBytes} is too low to start a command: ask for at least ${minimumMemoryBytes} (1M)`,
    );
  }
}

function checkPids(pids: number): void {
  if (pids > maximumPids) {
    throw new CgroupError(`limits.pids: ${pids} is too high: the kernel has at most ${maximumPids} processes`);
  }
}

function checkIo(field: keyof Limits, perSecond: number, disks: readonly string[]): void {
  if (perSecond === 0) return;
  if (disks.length === 0) {
    throw new CgroupError(`limits.${field}: no disk to limit: the job's folders are on no block device`);
  }
  const wrong = disks.find((disk) => !/^\d+:\d+$/.test(disk));
  if (wrong !== undefined) throw new CgroupError(`disk "${wrong}" is not MAJOR:MINOR`);
}
