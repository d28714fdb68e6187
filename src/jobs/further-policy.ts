// The configuration's word on the limits that are seldom asked for: weights, operations, files of control groups.
import { limitOfFile } from "../../sandbox/controller-file.ts";
import type { JobRequest } from "../../sandbox/request.ts";
import type { ControllerFile, Limits } from "../../sandbox/spec.ts";
import { InvalidRequest, NotAllowed } from "./errors.ts";
import type { LimitSettings, Policy } from "./policy.ts";

/** More than everybody's share is for those whom the configuration lets. */
const usualWeight = 100;

/** Throws InvalidRequest or NotAllowed naming the field. */
export function refuseFurther(request: JobRequest, { maximum, cgroupFiles = [] }: Policy): void {
  const mostWeight = maximum.cpuWeight ?? usualWeight;
  if ((request.cpuWeight ?? 0) > mostWeight) throw tooMuch("cpu_weight", String(request.cpuWeight), mostWeight);
  for (const [i, file] of (request.files ?? []).entries()) {
    if (!cgroupFiles.includes(file.file)) {
      const way = `the server's configuration allows it with "cgroupFiles"`;
      throw new NotAllowed(`cgroup[${i}]: ${file.file}=${file.value}: this file may not be set; ${way}`);
    }
    refuseAbove(i, file, request, maximum);
  }
}

/** A file may not set a limit higher than its own field could. */
function refuseAbove(i: number, file: ControllerFile, request: JobRequest, maximum: LimitSettings): void {
  const limits: Pick<Limits, "cpus" | "memoryBytes"> = {
    cpus: request.cpus ?? 0,
    memoryBytes: request.memoryBytes ?? 0,
  };
  const found = limitOfFile(file, limits, request.files);
  const most = found === null ? 0 : maximum[found.limit];
  if (found === null || most === 0 || found.value <= most) return;
  throw tooMuch(`cgroup[${i}]`, `${file.file}=${file.value}`, most);
}

function tooMuch(field: string, what: string, most: number): InvalidRequest {
  return new InvalidRequest(field, `${what} is above this server's bound`, `ask for at most ${most}`);
}
