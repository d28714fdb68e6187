import type { SandboxSpec } from "../spec.ts";
import { close, O_RDONLY, open } from "../sys/descriptors.ts";
import { readSmall, writeSmall } from "../sys/files.ts";
import {
  bringLoopbackUp,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWUTS,
  setHostname,
  setns,
  unshare,
} from "../sys/namespaces.ts";
import type { Context } from "./context.ts";
import type { NetworkKind } from "./plain.ts";

const own = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;

/**
 * Mount, uts, ipc, network and cgroup namespaces; the pid namespace came with init, the user namespace is entered last.
 * Made by host root, so they belong to the host's user namespace: root inside the job has no power over them.
 * The cgroup namespace must follow the move into the group, or /proc/self/cgroup shows a path that leads out.
 */
export function makeNamespaces(network: NetworkKind): void {
  if (network === "joined") return unshare(own);
  unshare(own | CLONE_NEWNET);
  bringLoopbackUp();
  openPortsAndPing();
}

/** A network that was made ready for this job. Its name is the host's: before the root is entered. */
export function joinNetwork({ network }: SandboxSpec): void {
  if (network.kind !== "none") joinNamespace(open(network.path, O_RDONLY), CLONE_NEWNET);
}

/** Descriptors of the namespaces that were made for a job, in the order in which they are entered. */
export type Rooms = readonly { readonly kind: number; readonly fd: number }[];

/** The mount namespace last: its root becomes this process's root and current directory (setns(2)). */
const entered = [
  ["net", CLONE_NEWNET],
  ["uts", CLONE_NEWUTS],
  ["ipc", CLONE_NEWIPC],
  ["cgroup", CLONE_NEWCGROUP],
  ["mnt", CLONE_NEWNS],
] as const;

/** Of those that `makeNamespaces` has made. /proc is the host's still. */
export function openOwnNamespaces(network: NetworkKind): Rooms {
  const made = entered.filter(([name]) => name !== "net" || network === "own");
  return made.map(([name, kind]) => ({ kind, fd: open(`/proc/self/ns/${name}`, O_RDONLY) }));
}

export function joinNamespaces(rooms: Rooms): void {
  for (const { fd, kind } of rooms) joinNamespace(fd, kind);
}

function joinNamespace(fd: number, kind: number): void {
  setns(fd, kind);
  close(fd);
}

/** What NET_BIND_SERVICE and NET_RAW are mostly wanted for, without the capabilities (ip(7), icmp(7)). */
function openPortsAndPing(): void {
  writeSmall("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
  writeSmall("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
}

export function nameHost({ spec }: Context): void {
  setHostname(spec.hostname);
}

const oomScore = "/proc/self/oom_score_adj";

/** That of this process is also that of all that share its memory (proc_pid_oom_score_adj(5)). */
export function ownOomScore(): string {
  return readSmall(oomScore).trim();
}

export function setOomScore(value: string): void {
  writeSmall(oomScore, value);
}

/**
 * The server may be protected from the OOM killer, its jobs must not be. Before the capabilities go: afterwards the job
 * could lower the value again and live through its own OOM, hanging at its limit.
 */
export function resetOomScore(): void {
  if (ownOomScore() !== "0") setOomScore("0");
}
