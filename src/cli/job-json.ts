// A job as `status -o json` and `ps -o json` print it: docs/contract.md fixes the keys.
import { type JobInfo, type JobNetwork, type Limits, NetworkMode, type Outcome, type Usage } from "../gen/podium.ts";
import type { Json } from "./json.ts";

export function jobJson(job: JobInfo): Json {
  return {
    id: job.id,
    name: job.name,
    user: job.user,
    state: job.state,
    outcome: job.outcome === undefined ? null : outcomeJson(job.outcome),
    createdAt: rfc3339(job.createdAt),
    startedAt: rfc3339(job.startedAt),
    finishedAt: rfc3339(job.finishedAt),
    command: job.command,
    limits: limitsJson(job.limits),
    usage: usageJson(job.usage),
    capabilities: job.capabilities,
    labels: job.labels,
    network: networkJson(job.network),
    work: job.work,
  };
}

function outcomeJson({ cause, exitCode, signal, by, message }: Outcome): Json {
  return { cause, exitCode: exitCode ?? null, signal: signal === "" ? null : signal, by, message };
}

export function limitsJson(limits: Limits | undefined): Json {
  return {
    cpus: limits?.cpus ?? 0,
    memoryBytes: limits?.memoryBytes ?? 0n,
    ioBytesPerSecond: limits?.ioBytesPerSecond ?? 0n,
    pids: limits?.pids ?? 0n,
    timeoutSeconds: Number(limits?.timeoutMs ?? 0n) / 1000,
    cpuWeight: limits?.cpuWeight ?? 0,
    memoryHighBytes: limits?.memoryHighBytes ?? 0n,
    ioOperationsPerSecond: limits?.ioOperationsPerSecond ?? 0n,
    cpusetCpus: limits?.cpusetCpus ?? "",
    cgroup: (limits?.cgroup ?? []).map(({ file, value }) => `${file}=${value}`),
    outputBytes: limits?.outputBytes ?? 0n,
    outputKill: limits?.outputKill ?? false,
  };
}

function networkJson(network: JobNetwork | undefined): Json {
  const { mode = NetworkMode.NONE, addresses = [], publish = [] } = network ?? {};
  return { mode: mode === NetworkMode.BRIDGE ? "bridge" : "none", addresses, publish };
}

export function usageJson(usage: Usage | undefined): Json {
  return {
    cpuSeconds: usage?.cpuSeconds ?? 0,
    memoryBytes: usage?.memoryBytes ?? 0n,
    memoryPeakBytes: usage?.memoryPeakBytes ?? 0n,
    pids: usage?.pids ?? 0n,
    pidsPeak: usage?.pidsPeak ?? 0n,
    ioReadBytes: usage?.ioReadBytes ?? 0n,
    ioWriteBytes: usage?.ioWriteBytes ?? 0n,
    ioReadOperations: usage?.ioReadOperations ?? 0n,
    ioWriteOperations: usage?.ioWriteOperations ?? 0n,
    pressure: pressureJson(usage),
  };
}

/** null where the server's kernel does not tell. */
function pressureJson(usage: Usage | undefined): Json {
  if (usage?.cpuPressure === undefined) return null;
  const { cpuPressure: cpu, memoryPressure: memory, ioPressure: io } = usage;
  return Object.fromEntries(
    Object.entries({ cpu, memory, io }).map(([name, pressure]) => [
      name,
      pressure === undefined ? null : { ...pressure },
    ]),
  );
}

function rfc3339(date: Date | undefined): string | null {
  return date?.toISOString() ?? null;
}
