import { Command, InvalidArgumentError } from "commander";
import type { ControllerFile } from "../../sandbox/spec.ts";
import { parseDuration, parseSize } from "../../sandbox/units.ts";
import { resolveJob } from "../client/job-id.ts";
import { updateJob } from "../client/jobs.ts";
import { UpdateRequest } from "../gen/podium.ts";
import { addConnectionOptions } from "./connection-options.ts";
import { CliError } from "./failure.ts";
import { jobJson } from "./job-json.ts";
import { encodeJson } from "./json.ts";
import { file } from "./limit-options.ts";
import { printLines } from "./output.ts";
import { addOutputFormat, type OutputFormat } from "./output-format.ts";
import { withPodium } from "./with-podium.ts";

interface Changes {
  readonly cpus?: number;
  readonly memory?: bigint;
  readonly io?: bigint;
  readonly pids?: bigint;
  readonly timeout?: bigint;
  readonly cpuWeight?: number;
  readonly cpusetCpus?: string;
  readonly memoryHigh?: bigint;
  readonly ioOps?: bigint;
  readonly cgroup?: ControllerFile[];
}

export function updateCommand(): Command {
  const command = new Command("update")
    .description(
      "change limits of a running job; what is not named stays, and 0 lifts a limit as far as the server allows",
    )
    .argument("<id>", "id or name of a job")
    .option("--cpus <N>", "cores it may use", cores)
    .option("-m, --memory <SIZE>", "memory it may use", size)
    .option("--io <SIZE>", "bytes per second it may read and, separately, write on disk", size)
    .option("--pids <N>", "processes and threads at once (0: the default of 512)", count)
    .option("--timeout <DURATION>", "ends it after this time since its start", duration)
    .option("--cpu-weight <N>", "share of busy processors, 1 to 10000", weight)
    .option("--cpuset-cpus <LIST>", 'processors it may run on; "" is all')
    .option("--memory-high <SIZE>", "memory above which it is slowed down (cgroup v2)", size)
    .option("--io-ops <N>", "requests per second to read and, separately, to write on disk", count)
    .option("--cgroup <FILE=VALUE>", "file of its control group; repeatable", file)
    .action(update);
  return addConnectionOptions(addOutputFormat(command));
}

async function update(text: string, options: Changes & OutputFormat, command: Command): Promise<void> {
  const change = requestOf(options);
  if (Object.values(change).every((value) => value === undefined || (Array.isArray(value) && value.length === 0)))
    throw new CliError("update: no limit to change is named", "see podium help update");
  await withPodium(command, async (podium) => {
    const id = await resolveJob(podium, text);
    const job = await updateJob(podium, UpdateRequest.create({ ...change, id }));
    if (options.output === "json") await printLines(encodeJson(jobJson(job)));
  });
}

function requestOf(options: Changes) {
  return {
    cpus: options.cpus,
    memoryBytes: options.memory,
    ioBytesPerSecond: options.io,
    pids: options.pids,
    timeoutMs: options.timeout,
    cpuWeight: options.cpuWeight,
    memoryHighBytes: options.memoryHigh,
    ioOperationsPerSecond: options.ioOps,
    cpusetCpus: options.cpusetCpus,
    cgroup: options.cgroup ?? [],
  } satisfies Partial<UpdateRequest>;
}

function cores(text: string): number {
  if (/^\d{1,6}(\.\d{1,6})?$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a number of cores; write it like 2 or 0.5.`);
}

function size(text: string): bigint {
  const bytes = parseSize(text);
  if (bytes !== null) return BigInt(bytes);
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a size; write it like 64M, 1.5G or 0.`);
}

function count(text: string): bigint {
  if (/^\d{1,12}$/.test(text)) return BigInt(text);
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a whole number from 0 up.`);
}

function duration(text: string): bigint {
  const milliseconds = parseDuration(text);
  if (milliseconds !== null) return BigInt(milliseconds);
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a duration; write it like 500ms, 10s or 0.`);
}

function weight(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 10_000) return Number(text);
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a weight from 1 to 10000.`);
}
