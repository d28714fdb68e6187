// What is on the host with a tag: after a crash, while a namespace dies, at the end.
import { setTimeout as sleep } from "node:timers/promises";
import { knownAddress, ownBridges, removeIfThere } from "./bridge.ts";
import type { JobNetwork } from "./job-network.ts";
import { portName, slotOf } from "./names.ts";
import { namespaceNames, removeNamespace } from "./namespaces.ts";
import { isNetlinkError, type LinkInfo, type RouteSocket } from "./netlink.ts";

/** How long a namespace without processes may take to go by itself. */
const patienceMs = 2000;
const longestMtu = 1500;
const shortestMtu = 1280;

/** Slots of which the host has a namespace file or a port. */
export async function leftoverSlots(socket: RouteSocket, tag: string): Promise<Set<number>> {
  const names = [...namespaceNames(), ...(await socket.links()).map(({ name }) => name)];
  return new Set(names.map((name) => slotOf(name, tag)).filter((slot) => slot !== null));
}

/** Removes the networks of a tag but those to keep: names at once, links by themselves, and by hand what is left then. */
export async function removeLeftovers(socket: RouteSocket, tag: string, kept: readonly JobNetwork[]): Promise<void> {
  const keep = new Set(kept.map(({ slot }) => slot));
  for (const name of namespaceNames()) {
    const slot = slotOf(name, tag);
    if (slot !== null && !keep.has(slot)) removeNamespace(name);
  }
  const deadline = performance.now() + patienceMs;
  let ports = await portsBeside(socket, tag, keep);
  while (ports.length > 0 && performance.now() < deadline) {
    await sleep(20);
    ports = await portsBeside(socket, tag, keep);
  }
  for (const { index } of ports) await removeIfThere(socket, index);
  await removeNeighbours(socket, tag, kept);
}

async function portsBeside(socket: RouteSocket, tag: string, keep: ReadonlySet<number>): Promise<LinkInfo[]> {
  return (await socket.links()).filter(({ name }) => {
    const slot = slotOf(name, tag);
    return slot !== null && !keep.has(slot);
  });
}

async function removeNeighbours(socket: RouteSocket, tag: string, kept: readonly JobNetwork[]): Promise<void> {
  const bridges = new Set((await ownBridges(socket, tag)).map(({ index }) => index));
  const wanted = new Set(kept.flatMap(({ address, address6 }) => [address, address6]));
  for (const entry of await socket.permanentNeighbours()) {
    if (!bridges.has(entry.link) || wanted.has(entry.address)) continue;
    await socket.removeNeighbour(entry.link, knownAddress(entry.address)).catch((error) => {
      if (!isNetlinkError(error, "ENOENT")) throw error;
    });
  }
}

/** Resolves when nothing of a slot is left on the host; polls ever more slowly while a process lingers in it. */
export async function waitUntilGone(socket: RouteSocket, tag: string, slot: number): Promise<void> {
  for (let pauseMs = 50; ; pauseMs = Math.min(2 * pauseMs, 2000)) {
    if ((await socket.findLink(portName(tag, slot))) === null) return;
    await sleep(pauseMs, undefined, { ref: false });
  }
}

/** MTU of the way out: what the job sends need not be cut up by the host. */
export async function uplinkMtu(socket: RouteSocket): Promise<number> {
  const ways = new Set(
    (await socket.routes()).filter(({ destination }) => destination === null).map(({ link }) => link),
  );
  const mtus = (await socket.links()).filter(({ index }) => ways.has(index)).map(({ mtu }) => mtu);
  return Math.max(shortestMtu, Math.min(longestMtu, ...mtus));
}
