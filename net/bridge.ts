// The bridges of one DATA: each with a gateway address in both families and up to a thousand isolated ports.

import type { BridgeAddresses } from "./address-pool.ts";
import { type Address, parseAddress } from "./addresses.ts";
import { isBridge } from "./names.ts";
import { isNetlinkError, type LinkInfo, type RouteSocket } from "./netlink.ts";
import { writeSetting } from "./sysctl.ts";

export function knownAddress(text: string): Address {
  const address = parseAddress(text);
  if (address === null) throw new TypeError(`${text} is no address`);
  return address;
}

/** Makes a bridge, or completes one that is there; right after a crash in the middle, too. Returns its link index. */
export async function ensureBridge(socket: RouteSocket, name: string, addresses: BridgeAddresses): Promise<number> {
  await unlessThere(socket.addBridge(name, addresses.mac));
  const link = await socket.findLink(name);
  if (link === null) throw new Error(`the bridge ${name} went away while it was set up`);
  // Its addresses are given; nothing is learnt from jobs.
  writeSetting(`ipv6/conf/${name}/accept_ra`, "0");
  writeSetting(`ipv6/conf/${name}/addr_gen_mode`, "1");
  writeSetting(`ipv4/conf/${name}/accept_redirects`, "0");
  writeSetting(`ipv4/conf/${name}/send_redirects`, "0");
  await socket.setUp(link.index);
  await unlessThere(socket.addAddress(link.index, knownAddress(addresses.gateway), addresses.length));
  if (addresses.gateway6 !== null) {
    await unlessThere(socket.addAddress(link.index, knownAddress(addresses.gateway6), addresses.length6));
  }
  return link.index;
}

async function unlessThere(request: Promise<void>): Promise<void> {
  await request.catch((error) => {
    if (!isNetlinkError(error, "EEXIST")) throw error;
  });
}

export async function ownBridges(socket: RouteSocket, tag: string): Promise<LinkInfo[]> {
  return (await socket.links()).filter(({ name }) => isBridge(name, tag));
}

export async function removeBridges(socket: RouteSocket, tag: string): Promise<void> {
  for (const { index } of await ownBridges(socket, tag)) await removeIfThere(socket, index);
}

export async function removeIfThere(socket: RouteSocket, index: number): Promise<void> {
  await socket.removeLink(index).catch((error) => {
    if (!isNetlinkError(error, "ENODEV")) throw error;
  });
}
