// The last step before exec: the job's seccomp filters.
import { isNotifying } from "../seccomp/kill-notice.ts";
import { close, duplicate } from "../sys/descriptors.ts";
import { installNotifyingFilter, installSeccompFilter } from "../sys/seccomp-filter.ts";
import { awaitHandOver } from "../sys/seccomp-notify.ts";
import { usualFilter } from "../zygote/protocol.ts";

export interface Filters {
  readonly programs: readonly Buffer[];
  /** The descriptor that the listener of a filter that kills will be; null when none does. */
  readonly listener: number | null;
}

/** Known to the zygote and all that it forks. */
let usual: Buffer | null = null;

export function keepUsualFilter(program: string | undefined): void {
  if (program !== undefined) usual = decode(program);
}

function decode(program: string): Buffer {
  if (program !== usualFilter) return Buffer.from(program, "base64");
  if (usual === null) throw new Error("seccomp: the zygote knows no usual filter");
  return usual;
}

/** `programs` are SandboxSpec.seccomp. Nothing may be opened between this and `installFilters`. */
export function prepareFilters(programs: readonly string[], anyDescriptor: number): Filters {
  const decoded = programs.map(decode);
  return { programs: decoded, listener: decoded.some(isNotifying) ? lowestFree(anyDescriptor) : null };
}

/** From here on every call is the profile's to refuse. With a listener, init must know of it by now: it is waited for. */
export function installFilters({ programs, listener }: Filters): void {
  for (const program of programs) {
    if (isNotifying(program)) installNotifyingFilter(program);
    else installSeccompFilter(program);
  }
  if (listener !== null) awaitHandOver();
}

function lowestFree(anyDescriptor: number): number {
  const fd = duplicate(anyDescriptor);
  close(fd);
  return fd;
}
