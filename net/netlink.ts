// rtnetlink behind one typed wrapper: one socket, one request at a time, a deadline each, errors with a code. The socket
// belongs to the network namespace in which it was made (rtnetlink(7)).
import { createRtNetlink, FlagsNew, type ifla, type rt } from "netlink";
import { type Address, addressFromBytes, bytesOf, type Cidr, formatAddress, widthOf } from "./addresses.ts";
import { bridgeInfo, isolatedPortInfo, macBytes, plainVethInfo, vethInfo } from "./link-info.ts";

const timeoutMs = 10_000;

/** The kernel refused a request, or did not answer in time (code ETIMEDOUT). */
class NetlinkError extends Error {
  override readonly name = "NetlinkError";
  readonly code: string;

  constructor(call: string, about: string, code: string) {
    super(`${call} ${about}: ${code}`);
    this.code = code;
  }
}

export function isNetlinkError(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof NetlinkError && codes.includes(error.code);
}

export interface LinkInfo {
  readonly index: number;
  readonly name: string;
  readonly mtu: number;
  /** Index of its bridge, 0 = none. */
  readonly master: number;
}

export interface RouteInfo {
  /** null: a default route. */
  readonly destination: Cidr | null;
  readonly link: number;
}

export interface AddressInfo {
  readonly address: Address;
  readonly length: number;
  readonly link: number;
}

export interface NeighbourInfo {
  readonly address: string;
  readonly link: number;
}

interface Request {
  readonly timeout: number;
  readonly flags?: number;
}

const AF_INET = 2;
const AF_INET6 = 10;
const AF_BRIDGE = 7;
const familyNumber = { 4: AF_INET, 6: AF_INET6 } as const;

const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_HOST = 254;
const RT_TABLE_MAIN = 254;
const RT_TABLE_LOCAL = 255;
const TC_H_ROOT = 0xffffffff;
const NTF_PERMANENT = { permanent: true } as const;

const up = { flags: { up: true }, change: { up: true } } as const;

export class RouteSocket {
  readonly #socket = createRtNetlink({ recvBufferSize: 0, sendBufferSize: 0 } as never);
  #last: Promise<unknown> = Promise.resolve();

  close(): void {
    this.#socket.socket.close();
  }

  async links(): Promise<LinkInfo[]> {
    const found = await this.#ask("getlinks", "", (options) => this.#socket.getLinks({}, {}, options));
    return found.map(({ data, attrs }) => ({
      index: data.index ?? 0,
      name: attrs.ifname ?? "",
      mtu: attrs.mtu ?? 0,
      master: attrs.master ?? 0,
    }));
  }

  /** null: there is none of this name. */
  async findLink(name: string): Promise<LinkInfo | null> {
    try {
      const [found] = await this.#ask("getlink", name, (options) =>
        this.#socket.getLink({}, { ifname: name }, options),
      );
      if (found === undefined) return null;
      const { data, attrs } = found;
      return { index: data.index ?? 0, name, mtu: attrs.mtu ?? 0, master: attrs.master ?? 0 };
    } catch (error) {
      if (isNetlinkError(error, "ENODEV")) return null;
      throw error;
    }
  }

  /** A bridge without spanning tree, delay and multicast snooping; down. */
  async addBridge(name: string, mac: string): Promise<void> {
    await this.#newLink(name, {}, { ifname: name, address: macBytes(mac), linkinfo: bridgeInfo() });
  }

  /** A veth pair: `name` here, down; the other end is born as `peer` in the namespace behind a descriptor. */
  async addVeth(name: string, peer: { name: string; mac: string; namespace: number }, mtu: number): Promise<void> {
    await this.#newLink(name, {}, { ifname: name, mtu, linkinfo: vethInfo({ ...peer, mtu }) });
  }

  /** A veth pair with both ends in this namespace, down. */
  async addPlainVeth(name: string, peer: string): Promise<void> {
    await this.#newLink(name, {}, { ifname: name, linkinfo: plainVethInfo(peer) });
  }

  /**
   * Makes a link a port of a bridge and brings it up. Isolated ports exchange no frames with one another; without learning
   * and flooding a port gets exactly what the forwarding table says.
   */
  async enslave(index: number, bridge: number): Promise<void> {
    const linkinfo = isolatedPortInfo();
    await this.#ask("setlink", `${index}`, (options) =>
      this.#socket.setLink({ index, ...up }, { master: bridge }, options),
    );
    await this.#ask("newlink", `port ${index}`, (options) => this.#socket.newLink({ index }, { linkinfo }, options));
  }

  async setUp(index: number): Promise<void> {
    await this.#ask("setlink", `${index}`, (options) => this.#socket.setLink({ index, ...up }, {}, options));
  }

  /** Deleting a veth end blocks this process for 13 to 20 ms. */
  async removeLink(index: number): Promise<void> {
    await this.#ask("dellink", `${index}`, (options) => this.#socket.delLink({ index }, {}, options));
  }

  /** IPv6 addresses are used at once, without duplicate address detection. */
  async addAddress(index: number, address: Address, length: number): Promise<void> {
    const local = bytesOf(address);
    const message = {
      family: familyNumber[address.family],
      prefixlen: length,
      index,
      scope: RT_SCOPE_UNIVERSE,
      flags: { nodad: true, permanent: true } as const,
    };
    await this.#create("newaddr", formatAddress(address), (options) =>
      this.#socket.newAddress(message, { local, address: local }, options),
    );
  }

  /** `gateway` null: what is on the link itself. `destination` null: everything. */
  async addRoute(index: number, destination: Cidr | null, gateway: Address | null): Promise<void> {
    const target = destination ?? gateway;
    if (target === null) throw new TypeError("a default route needs a gateway");
    const message = {
      family: familyNumber[target.family],
      dstLen: destination?.length ?? 0,
      table: RT_TABLE_MAIN,
      protocol: "STATIC",
      scope: gateway === null && target.family === 4 ? "LINK" : "UNIVERSE",
      type: "UNICAST",
    } as const;
    const attributes = {
      oif: index,
      ...(destination && { dst: bytesOf(destination) }),
      ...(gateway && { gateway: bytesOf(gateway) }),
    };
    await this.#create("newroute", formatAddress(target), (options) =>
      this.#socket.newRoute(message, attributes, options),
    );
  }

  /** A permanent entry: never asked for, never aged, never replaced by what somebody claims; it does not count as garbage. */
  async addNeighbour(index: number, address: Address, mac: string): Promise<void> {
    const message = { family: familyNumber[address.family], ifindex: index, state: NTF_PERMANENT };
    await this.#ask("newneigh", formatAddress(address), (options) =>
      this.#socket.newNeighbor(
        message,
        { dst: bytesOf(address), lladdr: macBytes(mac) },
        { ...options, flags: FlagsNew.CREATE | FlagsNew.REPLACE },
      ),
    );
  }

  async removeNeighbour(index: number, address: Address): Promise<void> {
    const message = { family: familyNumber[address.family], ifindex: index };
    await this.#ask("delneigh", formatAddress(address), (options) =>
      this.#socket.delNeighbor(message, { dst: bytesOf(address) }, options),
    );
  }

  async permanentNeighbours(): Promise<NeighbourInfo[]> {
    const found = await this.#ask("getneigh", "", (options) => this.#socket.getNeighbors({}, {}, options));
    return found.flatMap(({ data, attrs }) =>
      data.state?.permanent === true && attrs.dst !== undefined
        ? [{ address: formatAddress(addressFromBytes(attrs.dst)), link: data.ifindex ?? 0 }]
        : [],
    );
  }

  /** Which port has this MAC; for bridges that do not learn. */
  async addForwarding(port: number, mac: string): Promise<void> {
    const message = {
      family: AF_BRIDGE,
      ifindex: port,
      state: { noarp: true },
      flags: { master: true },
    } as const;
    await this.#ask("newneigh", mac, (options) =>
      this.#socket.newNeighbor(
        message,
        { lladdr: macBytes(mac) },
        { ...options, flags: FlagsNew.CREATE | FlagsNew.REPLACE },
      ),
    );
  }

  /** Routes of the main table and of no table of its own; local ones are addresses. */
  async routes(): Promise<RouteInfo[]> {
    const found = await this.#ask("getroutes", "", (options) => this.#socket.getRoutes({}, {}, options));
    return found.flatMap(({ data, attrs }) => {
      const family = data.family === AF_INET ? 4 : data.family === AF_INET6 ? 6 : null;
      if (family === null || (attrs.table ?? data.table) === RT_TABLE_LOCAL) return [];
      return [{ destination: destinationOf(family, data.dstLen ?? 0, attrs.dst), link: attrs.oif ?? 0 }];
    });
  }

  /** Addresses of every link but those of the loopback. */
  async addresses(): Promise<AddressInfo[]> {
    const found = await this.#ask("getaddrs", "", (options) => this.#socket.getAddresses({}, {}, options));
    return found.flatMap(({ data, attrs }) => {
      const bytes = attrs.local ?? attrs.address;
      if (bytes === undefined || data.scope === RT_SCOPE_HOST) return [];
      return [{ address: addressFromBytes(bytes), length: data.prefixlen ?? 0, link: data.index ?? 0 }];
    });
  }

  /** The root queueing discipline of a link, replacing the one there is. `options` are the discipline's own attributes. */
  async replaceRootQdisc(index: number, kind: string, options: Buffer): Promise<void> {
    const message = { ifindex: index, handle: 0x10000, parent: TC_H_ROOT };
    await this.#ask("newqdisc", `${kind} of ${index}`, (request) =>
      this.#socket.newQdisc(message, { kind, options }, { ...request, flags: FlagsNew.CREATE | FlagsNew.REPLACE }),
    );
  }

  #newLink(name: string, data: rt.Link, attributes: ifla.LinkAttrs): Promise<unknown> {
    return this.#create("newlink", name, (options) => this.#socket.newLink(data, attributes, options));
  }

  #create<T>(call: string, about: string, send: (options: Request) => Promise<T>): Promise<T> {
    return this.#ask(call, about, (options) => send({ ...options, flags: FlagsNew.CREATE | FlagsNew.EXCL }));
  }

  /** Queues one request behind the others of this socket: replies to two at once would be mixed up. */
  #ask<T>(call: string, about: string, send: (options: Request) => Promise<T>): Promise<T> {
    const answer = this.#last.then(() => send({ timeout: timeoutMs })).catch((error) => fail(call, about, error));
    this.#last = answer.catch(() => {}); // its own caller hears of it
    return answer;
  }
}

/** The package's errors are text only: `Request rejected: EEXIST`. */
function fail(call: string, about: string, error: Error): never {
  const [, code] = /^Request rejected: (.+)$/.exec(error.message) ?? [];
  if (error.message === "Timeout has been reached") throw new NetlinkError(call, about, "ETIMEDOUT");
  throw new NetlinkError(call, about, code ?? (error as NodeJS.ErrnoException).code ?? error.message);
}

function destinationOf(family: 4 | 6, length: number, bytes: Buffer | undefined): Cidr | null {
  if (length === 0) return null;
  const value = bytes === undefined ? 0n : addressFromBytes(bytes).value;
  return { family, value, length: Math.min(length, widthOf[family]) };
}
