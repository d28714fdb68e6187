// Which addresses jobs have. A job's network is a slot, a small number, and everything else about it is arithmetic: bridge,
// addresses, MAC, names. So there is no list of addresses to keep or repair: a slot is in use exactly while the host has
// its namespace file or its link.
import { type Address, addressIn, type Cidr, cidrOf, formatAddress, formatCidr, parseCidr } from "./addresses.ts";
import { invalid, NetworkError } from "./errors.ts";

/** A bridge takes 1,023 ports (BR_PORT_BITS 10); the round number leaves room for a foreign port. */
const portsPerBridge = 1000;
/** Each bridge has a subnet of its own, at most a /22: 1,022 addresses. */
const bridgeLength4 = 22;
const bridgeLength6 = 64;
const firstHost = 2;

/** The subnets of one DATA, as text so that they can be kept in a file. */
export interface Subnets {
  /** IPv4 block of at least four addresses. */
  readonly subnet: string;
  /** IPv6 block of length 64 or less; null: jobs get no IPv6. */
  readonly prefix6: string | null;
  /** How the bridges' names begin; absent: `pod`. */
  readonly bridge?: string;
}

/** What one slot means. Addresses as text. */
export interface SlotAddresses {
  readonly slot: number;
  readonly bridge: number;
  readonly address: string;
  readonly gateway: string;
  readonly address6: string | null;
  readonly gateway6: string | null;
  /** `02:…`, locally administered. */
  readonly mac: string;
}

/** One bridge: its addresses with prefix length, and its MAC. */
export interface BridgeAddresses {
  readonly bridge: number;
  readonly gateway: string;
  readonly gateway6: string | null;
  readonly length: number;
  readonly length6: number;
  readonly mac: string;
  /** Slots from `firstSlot` to `firstSlot + slots - 1`. */
  readonly firstSlot: number;
  readonly slots: number;
}

export class AddressPlan {
  readonly subnets: Subnets;
  readonly subnet: Cidr;
  readonly prefix6: Cidr | null;
  readonly bridges: number;
  readonly slotsPerBridge: number;
  readonly #length: number;

  /** Throws NetworkError (invalid) for blocks that cannot carry jobs. */
  constructor(subnets: Subnets) {
    this.subnet = checkedSubnet(subnets.subnet);
    this.prefix6 = subnets.prefix6 === null ? null : checkedPrefix6(subnets.prefix6);
    this.subnets = { ...subnets, subnet: formatCidr(this.subnet), prefix6: this.prefix6 && formatCidr(this.prefix6) };
    this.#length = Math.max(this.subnet.length, bridgeLength4);
    this.slotsPerBridge = Math.min(portsPerBridge, 2 ** (32 - this.#length) - firstHost - 1);
    const blocks6 = this.prefix6 === null ? Number.POSITIVE_INFINITY : 2 ** (bridgeLength6 - this.prefix6.length);
    this.bridges = Math.min(2 ** (this.#length - this.subnet.length), blocks6, 64);
  }

  get capacity(): number {
    return this.bridges * this.slotsPerBridge;
  }

  bridge(bridge: number): BridgeAddresses {
    const at6 = this.#block6(bridge);
    return {
      bridge,
      gateway: formatAddress(addressIn(this.#block(bridge), 1)),
      gateway6: at6 && formatAddress(addressIn(at6, 1)),
      length: this.#length,
      length6: bridgeLength6,
      mac: macOf(addressIn(this.#block(bridge), 1)),
      firstSlot: bridge * this.slotsPerBridge,
      slots: this.slotsPerBridge,
    };
  }

  slot(slot: number): SlotAddresses {
    const bridge = this.bridgeOf(slot);
    const host = firstHost + (slot % this.slotsPerBridge);
    const { gateway, gateway6 } = this.bridge(bridge);
    const address = addressIn(this.#block(bridge), host);
    const at6 = this.#block6(bridge);
    const address6 = at6 && formatAddress(addressIn(at6, host));
    return { slot, bridge, address: formatAddress(address), gateway, address6, gateway6, mac: macOf(address) };
  }

  bridgeOf(slot: number): number {
    return Math.floor(slot / this.slotsPerBridge);
  }

  #block(bridge: number): Cidr {
    const value = this.subnet.value + (BigInt(bridge) << BigInt(32 - this.#length));
    return { family: 4, value, length: this.#length };
  }

  #block6(bridge: number): Cidr | null {
    if (this.prefix6 === null) return null;
    const value = this.prefix6.value + (BigInt(bridge) << BigInt(128 - bridgeLength6));
    return { family: 6, value, length: bridgeLength6 };
  }
}

/** Unique on a bridge, and the same for the same address always. */
function macOf(address: Address): string {
  const bytes = [0x02, 0x70, ...[24n, 16n, 8n, 0n].map((shift) => Number((address.value >> shift) & 0xffn))];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

function checkedSubnet(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === null || cidr.family !== 4 || cidr.length > 30 || cidr.length < 8) {
    throw invalid(
      "subnet",
      `${JSON.stringify(text)} is not an IPv4 block of length 8 to 30`,
      "write it like 10.210.0.0/20",
    );
  }
  return cidr;
}

function checkedPrefix6(text: string): Cidr {
  const cidr = parseCidr(text);
  const unique = cidr !== null && cidr.family === 6 && cidr.value >> 121n === 0x7en;
  if (cidr === null || !unique || cidr.length > bridgeLength6 || cidr.length < 16) {
    throw invalid(
      "prefix6",
      `${JSON.stringify(text)} is not a unique local IPv6 block (fc00::/7) of length 16 to 64`,
      "write it like fd12:3456:7800::/48",
    );
  }
  return cidr;
}

/** The prefix of a tag: RFC 4193 wants 40 bits that nobody else has, and 32 of them are the tag's. */
export function defaultPrefix6(tag: string): string {
  const value = (0xfdn << 120n) | (BigInt(`0x${tag}`) << 88n);
  return formatCidr(cidrOf({ family: 6, value }, 48));
}

/**
 * Hands out slots, each as late as possible after its last use: what the outside still sends to an old address should find
 * nobody. A further bridge is begun only when the ones there are full.
 */
export class SlotPool {
  readonly #plan: AddressPlan;
  readonly #used: Set<number>;
  readonly #most: number;
  readonly #retired = new Set<number>();
  #bridges: number;
  #next: number;

  /** `used`: slots of which the host has something. `most`: how many may be claimed and not retired, 0 = any number. */
  constructor(plan: AddressPlan, used: Iterable<number>, most = 0) {
    this.#plan = plan;
    this.#used = new Set(used);
    this.#most = most === 0 ? plan.capacity : Math.min(most, plan.capacity);
    this.#bridges = 1 + Math.max(0, ...[...this.#used].map((slot) => plan.bridgeOf(slot)));
    this.#next = Math.floor(Math.random() * plan.slotsPerBridge);
  }

  get used(): number {
    return this.#used.size;
  }

  /** Slots that could be given at once; none are when the bound of claims is reached. */
  get free(): number {
    return this.#plan.capacity - this.#used.size;
  }

  /** Slots that nobody needs any more and that cannot be given again yet. */
  get retired(): number {
    return this.#retired.size;
  }

  /** Throws NetworkError (exhausted). */
  claim(): number {
    if (this.#used.size - this.#retired.size >= this.#most) throw this.#exhausted();
    if (this.#used.size >= this.#bridges * this.#plan.slotsPerBridge && this.#bridges < this.#plan.bridges) {
      this.#next = this.#bridges * this.#plan.slotsPerBridge;
      this.#bridges += 1;
    }
    const slots = this.#bridges * this.#plan.slotsPerBridge;
    for (let i = 0; i < slots; i++) {
      const slot = (this.#next + i) % slots;
      if (this.#used.has(slot)) continue;
      this.#used.add(slot);
      this.#next = slot + 1;
      return slot;
    }
    throw this.#exhausted();
  }

  /** Its job is over; traces of it are left. */
  retire(slot: number): void {
    this.#retired.add(slot);
  }

  release(slot: number): void {
    this.#retired.delete(slot);
    this.#used.delete(slot);
  }

  #exhausted(): NetworkError {
    return new NetworkError(
      "exhausted",
      `all ${this.#most} job networks of this server are in use (subnet ${this.#plan.subnets.subnet})`,
      "wait until jobs end, or give the server a larger subnet",
    );
  }
}
