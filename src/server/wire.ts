// From the product's data to the messages of the proto.
import type { ExitRecord, Limits, OutputLimit, Usage } from "../../sandbox/spec.ts";
import {
  type JobInfo,
  JobInfo as JobInfoMessage,
  type JobNetwork,
  NetworkMode,
  type Outcome,
  State,
  Usage as UsageMessage,
  type Limits as WireLimits,
  type Usage as WireUsage,
} from "../gen/podium.ts";
import type { Job } from "../jobs/job.ts";

export function stateOf(job: Job): State {
  return State[job.state];
}

export function jobInfo(job: Job, usage: Usage): JobInfo {
  const { outcome, meta } = job;
  return JobInfoMessage.create({
    id: BigInt(job.id),
    name: meta.name,
    user: meta.user,
    state: stateOf(job),
    outcome: outcome === null ? undefined : outcomeOf(outcome),
    createdAt: new Date(meta.createdAtMs),
    startedAt: job.startedAtMs === 0 ? undefined : new Date(job.startedAtMs),
    finishedAt: outcome === null ? undefined : new Date(outcome.finishedAtMs),
    command: [...meta.command],
    capabilities: [...(meta.capabilities ?? [])],
    limits: limitsOf(meta.limits, meta.timeoutMs, meta.output),
    usage: usageOf(usage),
    pid: BigInt(job.pid),
    requestId: meta.requestId ?? "",
    labels: { ...meta.labels },
    network: networkOf(job),
    work: meta.work ?? "",
    terminal: meta.terminal === true,
    stdin: meta.stdin,
  });
}

function networkOf({ network }: Job): JobNetwork {
  if (network === null) return { mode: NetworkMode.NONE, addresses: [], publish: [] };
  const { address, address6, request } = network;
  const addresses = address6 === null ? [address] : [address, address6];
  return { mode: NetworkMode.BRIDGE, addresses, publish: [...request.publish] };
}

function outcomeOf(record: ExitRecord): Outcome {
  const { cause, signal, by, message, step, errno, exitCode } = record;
  return {
    cause,
    exitCode: exitCode ?? undefined,
    signal: signal ?? "",
    by,
    message,
    step,
    errno,
    syscall: record.syscall ?? "",
  };
}

export function limitsOf(limits: Limits, timeoutMs: number, output: OutputLimit): WireLimits {
  return {
    cpus: limits.cpus,
    memoryBytes: BigInt(limits.memoryBytes),
    ioBytesPerSecond: BigInt(limits.ioBytesPerSecond),
    pids: BigInt(limits.pids),
    timeoutMs: BigInt(timeoutMs),
    outputBytes: BigInt(output.bytes),
    outputKill: output.kill,
    cpuWeight: limits.cpuWeight ?? 0,
    memoryHighBytes: BigInt(limits.memoryHighBytes ?? 0),
    ioOperationsPerSecond: BigInt(limits.ioOperationsPerSecond ?? 0),
    cpusetCpus: limits.cpuset ?? "",
    cgroup: [...(limits.files ?? [])],
  };
}

function usageOf(usage: Usage): WireUsage {
  const { io, pressure } = usage;
  return UsageMessage.create({
    cpuSeconds: usage.cpuSeconds,
    memoryBytes: BigInt(usage.memoryBytes),
    memoryPeakBytes: BigInt(usage.memoryPeakBytes),
    pids: BigInt(usage.pids),
    pidsPeak: BigInt(usage.pidsPeak ?? 0),
    ...(io && {
      ioReadBytes: BigInt(io.readBytes),
      ioWriteBytes: BigInt(io.writeBytes),
      ioReadOperations: BigInt(io.readOperations),
      ioWriteOperations: BigInt(io.writeOperations),
    }),
    cpuPressure: pressure?.cpu,
    memoryPressure: pressure?.memory,
    ioPressure: pressure?.io,
  });
}
