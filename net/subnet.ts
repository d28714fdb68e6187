// Which blocks the jobs of a DATA get: those of the configuration, or free ones of the host.

import { AddressPlan, defaultPrefix6, type Subnets } from "./address-pool.ts";
import { type Cidr, contains, formatCidr, overlaps, parseCidr, widthOf } from "./addresses.ts";
import { NetworkError } from "./errors.ts";
import { isBridge } from "./names.ts";
import type { RouteSocket } from "./netlink.ts";

/** Something of the host that has addresses: `10.0.0.0/8`, a route through `eth0`. */
export interface Occupied {
  readonly cidr: Cidr;
  readonly what: string;
}

/** Where free blocks are looked for, in this order; 198.18.0.0/15 is for benchmarks and rarely routed (RFC 2544). */
const searched = ["10.192.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15"] as const;
const defaultLength = 20;
const shortestBlock = 29;

export interface SubnetSettings {
  /** null: a free block is chosen. */
  readonly subnet: string | null;
  /** null: one is made from the tag; `none`: jobs get no IPv6. */
  readonly prefix6: string | null;
  /** Most jobs at once, 0 = not bound: how large a chosen block must be. */
  readonly most: number;
}

/** Twice as many addresses as jobs, because those of a job that has ended are not free at once. */
function lengthFor(most: number): number {
  if (most === 0) return defaultLength;
  return Math.min(shortestBlock, Math.max(defaultLength, 31 - Math.ceil(Math.log2(most + 2))));
}

/** Every block that the host routes or has an address in, but the links of this tag. The default route is not one. */
export async function occupiedBlocks(socket: RouteSocket, tag: string): Promise<Occupied[]> {
  const links = new Map((await socket.links()).map((link) => [link.index, link.name]));
  const foreign = (index: number) => !isBridge(links.get(index) ?? "", tag);
  const routes = (await socket.routes()).flatMap(({ destination, link }) =>
    destination !== null && foreign(link) && !isScopeOfLinks(destination)
      ? [{ cidr: destination, what: `a route through ${links.get(link) ?? "no link"}` }]
      : [],
  );
  const addresses = (await socket.addresses()).flatMap(({ address, link }) =>
    foreign(link)
      ? [
          {
            cidr: { ...address, length: widthOf[address.family] },
            what: `an address of ${links.get(link) ?? "a link"}`,
          },
        ]
      : [],
  );
  return [...routes, ...addresses];
}

/** fe80::/10 and ff00::/8, which every link has. */
function isScopeOfLinks({ family, value }: Cidr): boolean {
  return family === 6 && value >> 120n >= 0xfen;
}

/** Checks the blocks of the configuration, or finds free ones. Throws NetworkError naming what is in the way. */
export function chooseSubnets(settings: SubnetSettings, tag: string, occupied: readonly Occupied[]): Subnets {
  const prefix6 = settings.prefix6 === "none" ? null : (settings.prefix6 ?? defaultPrefix6(tag));
  const subnet = settings.subnet ?? freeSubnet(tag, occupied, lengthFor(settings.most));
  const plan = new AddressPlan({ subnet, prefix6 });
  refuseCollision("subnet", plan.subnet, occupied);
  if (plan.prefix6 !== null) refuseCollision("prefix6", plan.prefix6, occupied);
  return plan.subnets;
}

function refuseCollision(field: "subnet" | "prefix6", cidr: Cidr, occupied: readonly Occupied[]): void {
  const other = occupied.find((entry) => overlaps(entry.cidr, cidr));
  if (other === undefined) return;
  throw new NetworkError(
    "unavailable",
    `the network of the jobs, ${formatCidr(cidr)}, collides with ${formatCidr(other.cidr)}, ${other.what} of this host`,
    `name a free block with network.${field} in the configuration`,
    field,
  );
}

/** Blocks begin at multiples of a /20. The search begins at a place of the tag's own, so that two servers seldom want the same block. */
function freeSubnet(tag: string, occupied: readonly Occupied[], length: number): string {
  for (const text of searched) {
    const range = parseCidr(text) as Cidr;
    const count = 2 ** (defaultLength - range.length);
    const start = Number.parseInt(tag.slice(0, 6), 16) % count;
    for (let i = 0; i < count; i++) {
      const value = range.value + BigInt((start + i) % count) * BigInt(2 ** (32 - defaultLength));
      const cidr: Cidr = { family: 4, value, length };
      if (contains(range, cidr) && !occupied.some((entry) => overlaps(entry.cidr, cidr))) return formatCidr(cidr);
    }
  }
  throw new NetworkError(
    "unavailable",
    `no block of length ${length} is free: the routes of this host cover ${searched.join(", ")}`,
    "name a free block with network.subnet in the configuration",
    "subnet",
  );
}
