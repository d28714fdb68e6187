import type { Group } from "../cgroup/group.ts";
import type { ProgramSpec, SandboxSpec } from "../spec.ts";

/** What a command's process has before it need know what to run. Descriptors are open in it, while it is still host root. */
export interface Ground {
  readonly group: Group;
  /** The job's user namespace and the host id of uid 0 in it. */
  readonly userNamespace: number;
  readonly idBase: number;
  /** Empty host folder on which the root is built (this process has a mount namespace of its own by then). */
  readonly stage: string;
  /** Pipe ends that become 0, 1 and 2; `in` is left unused where stdin is at end-of-file. A terminal takes their place. */
  readonly stdio: { readonly in: number; readonly out: number; readonly err: number };
}

/** All that the steps of one command know. */
export interface Context extends Ground {
  readonly spec: SandboxSpec;
  /** Descriptor of the host's /proc, for when the host's root has been left. */
  readonly hostProc: number;
}

/** What the steps know that take the host's rights away, in a job's own command and in further ones. */
export interface Descent extends Pick<Ground, "userNamespace" | "idBase" | "stdio"> {
  readonly spec: ProgramSpec;
  /** null: the user namespace has been lived in, and is closed to further ones. */
  readonly hostProc: number | null;
}

/** Where the command's process reports a failed step, closed by exec: descriptor 3, once `placeStatus` has put it there. */
export const statusDescriptor = 3;
