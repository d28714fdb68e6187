// What kind of link: the nested attributes of IFLA_LINKINFO (rtnetlink(7), if_link.h).
import { attribute, nested, text, u8, u32 } from "./attributes.ts";

const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_INFO_SLAVE_DATA = 5;
const IFLA_BR_FORWARD_DELAY = 1;
const IFLA_BR_MCAST_SNOOPING = 23;
const IFLA_BRPORT_LEARNING = 8;
const IFLA_BRPORT_UNICAST_FLOOD = 9;
const IFLA_BRPORT_MCAST_FLOOD = 27;
const IFLA_BRPORT_BCAST_FLOOD = 30;
const IFLA_BRPORT_ISOLATED = 33;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_NET_NS_FD = 28;
const VETH_INFO_PEER = 1;
const ifinfomsgBytes = 16;

export function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(":", ""), "hex");
}

/** A bridge that forwards at once and does not look into multicast. */
export function bridgeInfo(): Buffer {
  const data = nested(IFLA_INFO_DATA, u32(IFLA_BR_FORWARD_DELAY, 0), u8(IFLA_BR_MCAST_SNOOPING, 0));
  return Buffer.concat([text(IFLA_INFO_KIND, "bridge"), data]);
}

export interface VethPeer {
  readonly name: string;
  readonly mac: string;
  /** Descriptor of the namespace in which it is born. */
  readonly namespace: number;
  readonly mtu: number;
}

export function vethInfo({ name, mac, namespace, mtu }: VethPeer): Buffer {
  return vethWith([
    text(IFLA_IFNAME, name),
    attribute(IFLA_ADDRESS, macBytes(mac)),
    u32(IFLA_MTU, mtu),
    u32(IFLA_NET_NS_FD, namespace),
  ]);
}

/** Both ends in the namespace of the socket. */
export function plainVethInfo(peer: string): Buffer {
  return vethWith([text(IFLA_IFNAME, peer)]);
}

function vethWith(peerAttributes: readonly Buffer[]): Buffer {
  const payload = Buffer.concat([Buffer.alloc(ifinfomsgBytes), ...peerAttributes]);
  return Buffer.concat([text(IFLA_INFO_KIND, "veth"), nested(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, payload))]);
}

/** A port that exchanges no frames with other isolated ones, learns nothing and is flooded with nothing. */
export function isolatedPortInfo(): Buffer {
  const settings: readonly (readonly [number, number])[] = [
    [IFLA_BRPORT_ISOLATED, 1],
    [IFLA_BRPORT_LEARNING, 0],
    [IFLA_BRPORT_UNICAST_FLOOD, 0],
    [IFLA_BRPORT_MCAST_FLOOD, 0],
    [IFLA_BRPORT_BCAST_FLOOD, 0],
  ];
  const port = nested(IFLA_INFO_SLAVE_DATA, ...settings.map(([type, value]) => u8(type, value)));
  return Buffer.concat([text(IFLA_INFO_SLAVE_KIND, "bridge"), port]);
}
