// The part of the seam that is about limits: what this host and its kernel take, and changing them in a running group.
import { wholeDisks } from "../../sandbox/cgroup/block-device.ts";
import { CgroupError } from "../../sandbox/cgroup/errors.ts";
import { tryFurtherLimits } from "../../sandbox/cgroup/further-limits.ts";
import type { CgroupPlan, Group } from "../../sandbox/cgroup/group.ts";
import { checkRequest, isAsked } from "../../sandbox/cgroup/limits.ts";
import { RequestError } from "../../sandbox/request-error.ts";
import { ProfileError } from "../../sandbox/seccomp/errors.ts";
import type { Limits } from "../../sandbox/spec.ts";
import { InvalidRequest, Unenforceable } from "./errors.ts";
import { limitFields, refusedField, refusedLimit } from "./refusals.ts";

/** Throws Unenforceable or CgroupError before any side effect. */
export function checkLimits(plan: CgroupPlan, limits: Limits, disks: readonly string[]): void {
  for (const [field, reason] of Object.entries(plan.unenforceable) as [keyof Limits, string][]) {
    if (isAsked(limits[field])) throw new Unenforceable(`${limitFields[field]}: ${reason}`);
  }
  checkRequest({ name: "check", limits, disks }, plan.unenforceable);
  tryFurtherLimits(plan, limits);
}

/** Limits that hold and limits that are to hold, of a job that reads and writes these folders of the host. */
export interface LimitUpdate {
  readonly was: Limits;
  readonly now: Limits;
  readonly folders: readonly string[];
}

/** All of them, or, when the kernel refuses one, as it was. Throws Unenforceable, CgroupError. */
export function updateLimits(plan: CgroupPlan, group: Group, { was, now, folders }: LimitUpdate): void {
  const disks = [was, now].some(limitsIo) ? disksBehind(folders) : [];
  checkLimits(plan, now, disks);
  try {
    group.update(now, disks);
  } catch (error) {
    restore(group, was, disks);
    throw error;
  }
}

function limitsIo({ ioBytesPerSecond, ioOperationsPerSecond = 0 }: Limits): boolean {
  return ioBytesPerSecond > 0 || ioOperationsPerSecond > 0;
}

function disksBehind(folders: readonly string[]): string[] {
  if (folders.length > 0) return wholeDisks(folders);
  throw new CgroupError("limits.ioBytesPerSecond: the folders of this job are not known: start it anew");
}

/** The first refusal is what is told; a group that is gone needs no limits. */
function restore(group: Group, was: Limits, disks: readonly string[]): void {
  try {
    group.update(was, disks);
  } catch (error) {
    if (!(error instanceof CgroupError)) throw error;
  }
}

/** A refusal of the sandbox as an error of the product. */
export function requestFailure(error: unknown): unknown {
  if (error instanceof RequestError) return refusedField(error);
  if (error instanceof CgroupError) return refusedLimit(error.message);
  return error instanceof ProfileError ? new InvalidRequest("seccomp", error.message) : error;
}
