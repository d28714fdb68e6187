// How a job sees its work folder: as a writable grant, first of all, that is its cwd.
import type { JobRequest } from "../../sandbox/request.ts";
import type { SandboxSpec } from "../../sandbox/spec.ts";

/** Unprivileged owner of what jobs leave on disk: above all ids that running jobs can have (id-ranges.ts). */
export const firstKeptId = 0x80000000;
const defaultTarget = "/work";

/** The request to be checked like any other; `source`, on the same disk, stands for the folder, which is not there yet. */
export function standInFor(request: JobRequest, source: string): JobRequest {
  const target = request.cwd ?? defaultTarget;
  return { ...request, cwd: target, grants: [{ source, target, writable: true }, ...(request.grants ?? [])] };
}

/** What `standInFor` made, with the folder in it. */
export function withWorkFolder(spec: SandboxSpec, folder: string): SandboxSpec {
  const [standIn, ...grants] = spec.grants;
  if (standIn === undefined) throw new Error("a work folder was never prepared");
  return { ...spec, grants: [{ ...standIn, source: folder }, ...grants] };
}
