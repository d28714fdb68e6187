// The part of a request about limits that are seldom asked for.
import { problemOf } from "./controller-file.ts";
import type { ControllerFile, Limits } from "./spec.ts";

/** Absent, 0, "" and an empty list are "not asked for". */
export interface FurtherRequest {
  readonly cpuWeight?: number;
  readonly memoryHighBytes?: number;
  readonly ioOperationsPerSecond?: number;
  readonly cpuset?: string;
  readonly files?: readonly ControllerFile[];
}

export interface FurtherProblem {
  readonly field: string;
  readonly reason: string;
  readonly mend: string;
}

const amounts = [
  ["cpuWeight", "cpu-weight"],
  ["memoryHighBytes", "memory-high"],
  ["ioOperationsPerSecond", "io-ops"],
] as const;

/** Those that are asked for, or the first that cannot be had. */
export function furtherLimits(request: FurtherRequest): Partial<Limits> | FurtherProblem {
  const { cpuset = "", files = [] } = request;
  const asked = amounts.filter(([key]) => (request[key] ?? 0) !== 0);
  for (const [key, field] of asked) {
    const value = request[key] ?? 0;
    if (!(Number.isSafeInteger(value) && value > 0))
      return { field, reason: `${value} is not a whole number from 0 to 2^53 - 1`, mend: "0 means not asked for" };
  }
  for (const [i, file] of files.entries()) {
    const problem = problemOf(file);
    if (problem !== null)
      return { ...problem, field: `cgroup[${i}]`, reason: `${file.file}=${file.value}: ${problem.reason}` };
  }
  return {
    ...Object.fromEntries(asked.map(([key]) => [key, request[key]])),
    ...(cpuset !== "" && { cpuset }),
    ...(files.length > 0 && { files }),
  };
}
