// Which jobs a process that was set up before its request came can serve (ARCHITECTURE.md, "Ready-made jobs").
import type { SandboxSpec } from "../spec.ts";

/** `own`: a network namespace with nothing but lo is made with the others. `joined`: one that exists is entered later. */
export type NetworkKind = "own" | "joined";

export function networkKind({ network }: SandboxSpec): NetworkKind {
  return network.kind === "none" ? "own" : "joined";
}

/** The root is the view of the host, and nothing more of the host goes into it: it can be entered before the rest is known. */
export function isPlain({ rootfs, grants }: SandboxSpec): boolean {
  return rootfs === null && grants.length === 0;
}
