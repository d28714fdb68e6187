// One job's way out: a named namespace with eth0 in it, the other end a port of the bridge.
import { closeSync } from "node:fs";
import type { SlotAddresses } from "./address-pool.ts";
import { widthOf } from "./addresses.ts";
import { knownAddress } from "./bridge.ts";
import { namespaceName, portName } from "./names.ts";
import { makeNamespace, removeNamespace } from "./namespaces.ts";
import { isNetlinkError, RouteSocket } from "./netlink.ts";
import { writeSetting } from "./sysctl.ts";

export interface BridgeEnd {
  readonly index: number;
  readonly mac: string;
}

/** A namespace with lo and eth0 up, addresses and default routes. Whatever was made is removed again when a step fails. */
export async function makeVeth(
  host: RouteSocket,
  tag: string,
  slot: SlotAddresses,
  bridge: BridgeEnd,
  mtu: number,
): Promise<void> {
  const name = namespaceName(tag, slot.slot);
  const { fd, made: inside } = makeNamespace(name, () => new RouteSocket());
  try {
    await connectPort(host, portName(tag, slot.slot), slot, bridge, fd, mtu);
    await setUpInside(inside, slot, bridge);
  } catch (error) {
    await removeVeth(host, tag, slot, bridge.index);
    throw error;
  } finally {
    inside.close();
    closeSync(fd);
  }
}

async function connectPort(
  host: RouteSocket,
  port: string,
  slot: SlotAddresses,
  bridge: BridgeEnd,
  namespace: number,
  mtu: number,
): Promise<void> {
  await host.addVeth(port, { name: "eth0", mac: slot.mac, namespace }, mtu);
  const link = await host.findLink(port);
  if (link === null) throw new Error(`the link ${port} went away while it was set up`);
  writeSetting(`ipv6/conf/${port}/disable_ipv6`, "1");
  await host.enslave(link.index, bridge.index);
  await host.addForwarding(link.index, slot.mac);
  for (const address of [slot.address, slot.address6]) {
    if (address !== null) await host.addNeighbour(bridge.index, knownAddress(address), slot.mac);
  }
}

async function setUpInside(inside: RouteSocket, slot: SlotAddresses, bridge: BridgeEnd): Promise<void> {
  const eth0 = await inside.findLink("eth0");
  if (eth0 === null) throw new Error("the job's end of its veth pair is missing");
  await inside.setUp(eth0.index);
  for (const [address, gateway] of [
    [slot.address, slot.gateway],
    [slot.address6, slot.gateway6],
  ] as const) {
    if (address === null || gateway === null) continue;
    const [own, router] = [knownAddress(address), knownAddress(gateway)];
    const width = widthOf[own.family];
    await inside.addAddress(eth0.index, own, width);
    await inside.addNeighbour(eth0.index, router, bridge.mac);
    await inside.addRoute(eth0.index, { ...router, length: width }, null);
    await inside.addRoute(eth0.index, null, router);
  }
}

/**
 * Takes the name away and lets the namespace end with its last process, which takes both ends of the veth pair along:
 * deleting the pair would block for 13 to 20 ms. Until then the slot is not free.
 */
export async function removeVeth(host: RouteSocket, tag: string, slot: SlotAddresses, bridge: number): Promise<void> {
  removeNamespace(namespaceName(tag, slot.slot));
  for (const address of [slot.address, slot.address6]) {
    if (address === null) continue;
    await host.removeNeighbour(bridge, knownAddress(address)).catch((error) => {
      if (!isNetlinkError(error, "ENOENT", "ENODEV")) throw error;
    });
  }
}
