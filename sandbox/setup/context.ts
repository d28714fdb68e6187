import type { Group } from "../cgroup/group.ts";
import type { SandboxSpec } from "../spec.ts";

/** All that the steps of one command know. Descriptors are open in the command's process, which is still host root. */
export interface Context {
  readonly spec: SandboxSpec;
  readonly group: Group;
  /** The job's user namespace and the host id of uid 0 in it. */
  readonly userNamespace: number;
  readonly idBase: number;
  /** Empty host folder on which the root is built (this process has a mount namespace of its own by then). */
  readonly stage: string;
  /** Pipe ends that become 0, 1 and 2; `in` is null for a stdin at end-of-file. */
  readonly stdio: { readonly in: number | null; readonly out: number; readonly err: number };
}

/** Where the command's process reports a failed step, closed by exec: descriptor 3, once `placeStatus` has put it there. */
export const statusDescriptor = 3;
