// What the sandbox refuses, in the API's names of the fields.
import type { RequestError } from "../../sandbox/request-error.ts";
import type { Limits } from "../../sandbox/spec.ts";
import { InvalidRequest } from "./errors.ts";

export const limitFields: Readonly<Record<keyof Limits, string>> = {
  cpus: "cpu",
  memoryBytes: "mem",
  ioBytesPerSecond: "io",
  pids: "pids",
  cpuWeight: "cpu_weight",
  memoryHighBytes: "mem_high",
  ioOperationsPerSecond: "io_ops",
  cpuset: "cpuset_cpus",
  files: "cgroup",
};

/** Fields of JobRequest that the API calls otherwise. */
const requestFields: Readonly<Record<string, string>> = {
  cpus: "cpu",
  memory: "mem",
  timeout: "timeout_ms",
  "cpu-weight": "cpu_weight",
  "memory-high": "mem_high",
  "io-ops": "io_ops",
  "cpuset-cpus": "cpuset_cpus",
  "rootfs.size": "rootfs.size_bytes",
  output: "output_limit",
};

export function refusedField({ field, message, mend }: RequestError): InvalidRequest {
  const name = (requestFields[field] ?? field).replace(/^dir\[/, "grants[");
  return new InvalidRequest(name, message.slice(field.length + 2), mend);
}

/** `message` is that of a CgroupError: `limits.cpus: reason`, `limits.files[0]: reason`, or about the disks of an io limit. */
export function refusedLimit(message: string): InvalidRequest {
  const [, name = "", index = "", reason = ""] = /^limits\.(\w+)(\[\d+\])?: (.*)$/s.exec(message) ?? [];
  const field = limitFields[name as keyof Limits];
  return new InvalidRequest(field === undefined ? "io" : `${field}${index}`, field === undefined ? message : reason);
}
