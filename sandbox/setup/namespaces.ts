import { writeFileSync } from "node:fs";
import { close, O_RDONLY, openAt } from "../sys/descriptors.ts";
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

/** A network that was made ready for this job, by init's descriptor of it: this process may have left the host's root. */
export function joinNetwork({ spec, init, hostProc }: Context): void {
  if (spec.network.kind === "none") return;
  const network = openAt(hostProc, `${init.pid}/fd/${init.network}`, O_RDONLY);
  setns(network, CLONE_NEWNET);
  close(network);
}

/** What NET_BIND_SERVICE and NET_RAW are mostly wanted for, without the capabilities (ip(7), icmp(7)). */
function openPortsAndPing(): void {
  writeFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
  writeFileSync("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
}

export function nameHost({ spec }: Context): void {
  setHostname(spec.hostname);
}

/**
 * The server may be protected from the OOM killer, its jobs must not be. Before the capabilities go: afterwards the job
 * could lower the value again and live through its own OOM, hanging at its limit.
 */
export function resetOomScore(): void {
  writeFileSync("/proc/self/oom_score_adj", "0");
}
