// The refusals of the limits beyond the four: weights, processors, the softer memory limit, files of the request's own.
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { problemOf } from "../controller-file.ts";
import type { ControllerFile, Limits } from "../spec.ts";
import { readControlIfThere, writeControl } from "./control-file.ts";
import { CgroupError } from "./errors.ts";
import { makeGroup, removeGroup } from "./folder.ts";
import type { CgroupPlan } from "./group.ts";
import { folderOfFile } from "./v1-folders.ts";

/** cgroup-v2.rst, cpu.weight. */
const heaviest = 10_000;
const processorList = /^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/;

/** What needs no kernel. Throws CgroupError naming the field. */
export function checkFurtherLimits({ cpuWeight = 0, cpuset = "", files = [] }: Limits): void {
  if (cpuWeight > heaviest)
    throw new CgroupError(
      `limits.cpuWeight: ${cpuWeight} is not a weight: ask for 1 to ${heaviest}, where 100 is usual`,
    );
  if (cpuset !== "" && !processorList.test(cpuset))
    throw new CgroupError(`limits.cpuset: ${JSON.stringify(cpuset)} is no list of processors: write it like 0-2,5`);
  for (const [i, file] of files.entries()) {
    const problem = problemOf(file);
    if (problem !== null) throw refusal(i, file, `${problem.reason}: ${problem.mend}`);
  }
}

function refusal(i: number, { file, value }: ControllerFile, reason: string, cause?: unknown): CgroupError {
  return new CgroupError(`limits.files[${i}]: ${file}=${value}: ${reason}`, cause);
}

let tries = 0;

/**
 * What only this kernel knows, asked before a job is made: whether it has the files, takes the values and has the
 * processors. The values are written to a group of their own that is gone at once. Throws CgroupError.
 */
export function tryFurtherLimits(plan: CgroupPlan, { cpuset = "", files = [] }: Limits): void {
  if (cpuset !== "") checkProcessors(plan, cpuset);
  const name = `try-${process.pid}-${tries++}`;
  const made = new Set<string>();
  try {
    for (const [i, file] of files.entries()) tryFile(plan, name, made, i, file);
  } finally {
    for (const folder of made) removeGroup(folder);
  }
}

function tryFile(plan: CgroupPlan, name: string, made: Set<string>, i: number, file: ControllerFile): void {
  const jobs = plan.version === 2 ? `${plan.root}/jobs` : folderOfFile(plan, file.file);
  if (jobs === null || !existsSync(`${jobs}/${file.file}`)) {
    const way =
      plan.version === 2
        ? `${plan.controllers.join(", ")} of cgroup v2`
        : "cpu, cpuacct, cpuset, memory, pids, blkio of cgroup v1";
    throw refusal(i, file, `the groups of jobs have no such file here: name one of the controllers ${way}`);
  }
  if (plan.version === 1 && file.file.startsWith("cpuset.")) {
    if (file.file === "cpuset.cpus") checkProcessors(plan, file.value, i);
    return; // its group is made when a job asks for one
  }
  const folder = `${jobs}/${name}`;
  if (!made.has(folder)) {
    makeGroup(folder);
    made.add(folder);
  }
  try {
    writeControl(folder, file.file, file.value);
  } catch (error) {
    const code = (error as CgroupError).code;
    throw refusal(i, file, `the kernel refuses it (${code}): see its documentation of this file`, error);
  }
}

/** The kernel would take processors that are not there and give the job all instead (v2), or say EINVAL at the end (v1). */
function checkProcessors(plan: CgroupPlan, list: string, file?: number): void {
  const there =
    plan.version === 2
      ? readControlIfThere(`${plan.root}/jobs`, "cpuset.cpus.effective")
      : plan.cpuset === undefined
        ? null
        : readControlIfThere(dirname(plan.cpuset), "cpuset.effective_cpus");
  if (there === null) return;
  const known = new Set(processorsIn(there.trim()));
  const missing = processorsIn(list).filter((processor) => !known.has(processor));
  if (missing.length === 0) return;
  const reason = `there is no processor ${missing.slice(0, 5).join(", ")} here: choose from ${there.trim()}`;
  throw file === undefined
    ? new CgroupError(`limits.cpuset: ${reason}`)
    : refusal(file, { file: "cpuset.cpus", value: list }, reason);
}

/** `0-2,5` as numbers (cpuset(7), FORMATS); absurd ranges are cut, which leaves them absent. */
function processorsIn(list: string): number[] {
  return list.split(",").flatMap((part) => {
    const [first = Number.NaN, last = first] = part.split("-").map(Number);
    if (!(first <= last)) return [first];
    return Array.from({ length: Math.min(last - first + 1, 65_536) }, (_, i) => first + i);
  });
}
