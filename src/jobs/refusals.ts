// What the sandbox refuses, in the API's names of the fields.
import type { RequestError } from "../../sandbox/request.ts";
import type { Limits } from "../../sandbox/spec.ts";
import { InvalidRequest } from "./errors.ts";

export const limitFields: Readonly<Record<keyof Limits, string>> = {
  cpus: "cpu",
  memoryBytes: "mem",
  ioBytesPerSecond: "io",
  pids: "pids",
};

/** Fields of JobRequest that the API calls otherwise. */
const requestFields: Readonly<Record<string, string>> = {
  cpus: "cpu",
  memory: "mem",
  timeout: "timeout_ms",
  "rootfs.size": "rootfs.size_bytes",
  output: "output_limit",
};

export function refusedField({ field, message, mend }: RequestError): InvalidRequest {
  const name = (requestFields[field] ?? field).replace(/^dir\[/, "grants[");
  return new InvalidRequest(name, message.slice(field.length + 2), mend);
}

/** `message` is that of a CgroupError: `limits.cpus: reason`, or about the disks that an io limit needs. */
export function refusedLimit(message: string): InvalidRequest {
  const [, name = "", reason = ""] = /^limits\.(\w+): (.*)$/s.exec(message) ?? [];
  const field = limitFields[name as keyof Limits];
  return new InvalidRequest(field ?? "io", field === undefined ? message : reason);
}
