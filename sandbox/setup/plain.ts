// Which jobs can be set up in halves, the first of which needs no request (ARCHITECTURE.md, "Ready-made jobs").
import type { SandboxSpec } from "../spec.ts";
import { usualFilter } from "../zygote/protocol.ts";

/** `own`: a network namespace with nothing but lo is made with the others. `joined`: one that exists is entered later. */
export type NetworkKind = "own" | "joined";

export function networkKind({ network }: SandboxSpec): NetworkKind {
  return network.kind === "none" ? "own" : "joined";
}

/** A process that is in init's memory must not meet the job's out-of-memory killer, which would end init too. */
const leastMemoryBytes = 32 << 20;

/**
 * The root is the view of the host, and nothing more of the host goes into it: it can be entered before the rest is known. The
 * filter lets through what comes between it and exec (sys/vfork.ts).
 */
export function isPlain({ rootfs, grants, seccomp, limits }: SandboxSpec): boolean {
  const { memoryBytes, memoryHighBytes = 0 } = limits;
  const roomy = [memoryBytes, memoryHighBytes].every((bytes) => bytes === 0 || bytes >= leastMemoryBytes);
  return rootfs === null && grants.length === 0 && roomy && seccomp.every((program) => program === usualFilter);
}
