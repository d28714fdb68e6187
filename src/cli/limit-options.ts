// The options of limits that are seldom asked for, shared by run, start, sandbox and update.
import { type Command, InvalidArgumentError } from "commander";
import { parseControllerFile } from "../../sandbox/controller-file.ts";
import type { JobRequest } from "../../sandbox/request.ts";
import type { ControllerFile } from "../../sandbox/spec.ts";
import { parseSize } from "../../sandbox/units.ts";
import type { StartRequest } from "../gen/podium.ts";

export interface FurtherLimits {
  readonly cpuWeight?: number;
  readonly cpusetCpus?: string;
  readonly memoryHigh?: number;
  readonly ioOps?: number;
  readonly cgroup?: ControllerFile[];
}

export function addFurtherLimits(command: Command): Command {
  return command
    .option("--cpu-weight <N>", "share of busy processors, 1 to 10000 (default 100)", weight)
    .option("--cpuset-cpus <LIST>", "processors it may run on, for example 0-2,5")
    .option("--memory-high <SIZE>", "memory above which it is slowed down (cgroup v2)", size)
    .option("--io-ops <N>", "requests per second to read and, separately, to write on disk", count)
    .option("--cgroup <FILE=VALUE>", "file of its control group, for example cpu.max.burst=10000; repeatable", file);
}

function weight(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text) && Number(text) <= 10_000) return Number(text);
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a weight from 1 to 10000.`);
}

function size(text: string): number {
  const bytes = parseSize(text);
  if (bytes !== null && bytes > 0) return bytes;
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a size; write it like 64M, 1.5G or 512K.`);
}

function count(text: string): number {
  if (/^[1-9]\d{0,11}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a whole number from 1 up.`);
}

export function file(text: string, previous: ControllerFile[] = []): ControllerFile[] {
  const parsed = parseControllerFile(text);
  if (parsed !== null) return [...previous, parsed];
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not FILE=VALUE; write it like cpu.max=50000 100000.`);
}

/** In the words of a request to this machine. */
export function furtherOfRequest(options: FurtherLimits): Partial<JobRequest> {
  const { cpuWeight = 0, cpusetCpus: cpuset = "", memoryHigh = 0, ioOps = 0, cgroup: files = [] } = options;
  return { cpuWeight, cpuset, memoryHighBytes: memoryHigh, ioOperationsPerSecond: ioOps, files };
}

/** In the words of the API. */
export function furtherOfStart(options: FurtherLimits) {
  const { cpuWeight = 0, cpusetCpus = "", memoryHigh = 0, ioOps = 0, cgroup = [] } = options;
  return {
    cpuWeight,
    cpusetCpus,
    memHigh: BigInt(memoryHigh),
    ioOps: BigInt(ioOps),
    cgroup,
  } satisfies Partial<StartRequest>;
}
