// A small world for tests of the network: this process moves for good into a network namespace of its own that stands for
// "the host", with an "outside" namespace beside it. Its mount namespace is its own too, so that the machine's /run/netns
// and its links are never touched, and all of it goes with the process.
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, rmdirSync } from "node:fs";
import { makeNamespace, namespaceFile, prepareNamespaceFolder } from "../../net/namespaces.ts";
import { detachMount, makeTreePrivate, mountBind, mountFilesystem } from "../../sandbox/sys/mounts.ts";
import { bringLoopbackUp, CLONE_NEWNET, CLONE_NEWNS, unshare } from "../../sandbox/sys/namespaces.ts";
import { Peer } from "./net-peer.ts";

export const outside = {
  name: "outside",
  address: "203.0.113.1",
  /** What the host is called from there. */
  host: "203.0.113.2",
  address6: "2001:db8:1::1",
  host6: "2001:db8:1::2",
  /** Also addresses of the outside, so that only a rule can be what refuses them. */
  metadata: ["169.254.169.254", "100.100.100.200", "100.96.0.96", "100.80.80.80", "169.254.7.7"],
  metadata6: "fd00:ec2::254",
  private: "172.31.5.5",
  other: "198.51.100.7",
} as const;

let entered = false;

/** Runs `ip` with words of the test's own. */
export function ip(...words: readonly string[]): string {
  return execFileSync("ip", words, { encoding: "utf8" });
}

/** Moves this process into the world; only the first call does anything. */
export function enterWorld(): void {
  if (entered) return;
  entered = true;
  unshare(CLONE_NEWNET | CLONE_NEWNS);
  makeTreePrivate();
  for (const folder of ["/run/netns", "/run/podium"]) {
    if (!existsSync(folder)) mkdirSync(folder);
    mountFilesystem("tmpfs", folder, 0, "size=8M");
  }
  mountSys();
  bringLoopbackUp();
  prepareNamespaceFolder();
  makeOutside();
}

/** /sys of this namespace, with the control groups of before. */
function mountSys(): void {
  const [aside, groups] = ["/run/podium/groups", "/sys/fs/cgroup"];
  mkdirSync(aside);
  mountBind(groups, aside);
  mountFilesystem("sysfs", "/sys", 0);
  mountBind(aside, groups);
  detachMount(aside);
  rmdirSync(aside);
}

function makeOutside(): void {
  closeSync(makeNamespace(outside.name, () => null).fd);
  ip("link", "add", "uplink0", "type", "veth", "peer", "name", "eth0", "netns", outside.name);
  const inside = (...words: string[]) => ip("-n", outside.name, ...words);
  ip("addr", "add", `${outside.host}/24`, "dev", "uplink0");
  ip("addr", "add", `${outside.host6}/64`, "dev", "uplink0", "nodad");
  inside("addr", "add", `${outside.address}/24`, "dev", "eth0");
  inside("addr", "add", `${outside.address6}/64`, "dev", "eth0", "nodad");
  for (const address of [...outside.metadata, outside.private, outside.other])
    inside("addr", "add", address, "dev", "lo");
  inside("addr", "add", outside.metadata6, "dev", "lo", "nodad");
  ip("link", "set", "uplink0", "up");
  inside("link", "set", "eth0", "up");
  // Else the outside asks for it from whatever address it answers with, and from fd00:ec2::254 nobody would hear it.
  const [, mac = ""] = /link\/ether (\S+)/.exec(ip("-o", "link", "show", "uplink0")) ?? [];
  inside("neigh", "replace", outside.host6, "lladdr", mac, "dev", "eth0", "nud", "permanent");
  ip("route", "add", "default", "via", outside.address);
  ip("-6", "route", "add", "default", "via", outside.address6);
}

/** A peer outside with servers on TCP and UDP port 80 and 81 of all addresses. */
export async function outsidePeer(): Promise<Peer> {
  const peer = await Peer.in(namespaceFile(outside.name));
  for (const port of [80, 81]) {
    await peer.listen("tcp", port);
    // On one address each: an answer from the wildcard would come from another address than was asked.
    for (const host of [outside.address, outside.other, outside.address6]) await peer.listen("udp", port, host);
  }
  return peer;
}
