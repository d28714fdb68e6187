// Jobs.Update: from the message to a change of limits.
import type { UpdateRequest, UpdateResponse } from "../../gen/podium.ts";
import { InvalidRequest } from "../../jobs/errors.ts";
import type { Caller, Jobs } from "../../jobs/jobs.ts";
import type { LimitChange } from "../../jobs/limit-change.ts";
import { jobInfo } from "../wire.ts";

export async function update(jobs: Jobs, caller: Caller, request: UpdateRequest): Promise<UpdateResponse> {
  const change = changeOf(request);
  if (Object.keys(change).length === 0)
    throw new InvalidRequest("cpus", "no limit to change is set", "set one of the fields");
  const job = await jobs.update(caller, request.id, change);
  return { job: jobInfo(job, jobs.usage(job)) };
}

function changeOf(request: UpdateRequest): LimitChange {
  const { cpus, cpuWeight, cpusetCpus: cpuset, cgroup: files } = request;
  return {
    ...(cpus !== undefined && { cpus }),
    ...(cpuWeight !== undefined && { cpuWeight }),
    ...(cpuset !== undefined && { cpuset }),
    ...(files.length > 0 && { files }),
    ...amount("memoryBytes", "memory_bytes", request.memoryBytes),
    ...amount("ioBytesPerSecond", "io_bytes_per_second", request.ioBytesPerSecond),
    ...amount("pids", "pids", request.pids),
    ...amount("timeoutMs", "timeout_ms", request.timeoutMs),
    ...amount("memoryHighBytes", "memory_high_bytes", request.memoryHighBytes),
    ...amount("ioOperationsPerSecond", "io_operations_per_second", request.ioOperationsPerSecond),
  };
}

function amount(name: keyof LimitChange, field: string, value: bigint | undefined): LimitChange {
  if (value === undefined) return {};
  if (value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) return { [name]: Number(value) };
  throw new InvalidRequest(field, `${value} is not a number from 0 to 2^53 - 1`, "0 lifts the limit");
}
