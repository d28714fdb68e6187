// The networks of all jobs of one DATA: makes them, gives them their policy, takes them away. Everything it needs to know
// about the past is told to it (the jobs that live on) or seen on the host (names with the tag); it keeps no file.
import { setTimeout as sleep } from "node:timers/promises";
import { AddressPlan, SlotPool, type Subnets } from "./address-pool.ts";
import { type Cidr, contains, parseCidr } from "./addresses.ts";
import { ensureBridge, removeBridges } from "./bridge.ts";
import { Connections } from "./connections.ts";
import { NetworkError } from "./errors.ts";
import { Firewall } from "./firewall.ts";
import { withHostLock } from "./host-lock.ts";
import { type JobNetwork, type NetworkRequest, type NetworkSettings, networkOf } from "./job-network.ts";
import { leftoverSlots, removeLeftovers, uplinkMtu, waitUntilGone } from "./leftovers.ts";
import { bridgeName, checkTag } from "./names.ts";
import { prepareNamespaceFolder } from "./namespaces.ts";
import { RouteSocket } from "./netlink.ts";
import { applyRules } from "./nft.ts";
import { isDefaultPolicy, type JobPolicy, jobPolicy, type ServerPolicy, serverPolicy } from "./policy.ts";
import { PublishedPorts } from "./published-ports.ts";
import { checkRate, limitRate } from "./rate.ts";
import { removal } from "./ruleset.ts";
import { chooseSubnets, occupiedBlocks } from "./subnet.ts";
import { enableForwarding, hasIpv6 } from "./sysctl.ts";
import { makeVeth, removeVeth } from "./veth.ts";

const claimPatienceMs = 3000;
const claimLookMs = 20;
const unspecified: Cidr = { family: 4, value: 0n, length: 32 };

export class Networks {
  readonly #tag: string;
  readonly #plan: AddressPlan;
  readonly #server: ServerPolicy;
  readonly #socket: RouteSocket;
  readonly #firewall: Firewall;
  readonly #connections = new Connections();
  readonly #slots: SlotPool;
  readonly #ports = new PublishedPorts();
  readonly #bridges = new Map<number, Promise<number>>();
  readonly #taken = new Set<number>();
  #mtu = 1500;

  private constructor(tag: string, plan: AddressPlan, server: ServerPolicy, socket: RouteSocket, slots: SlotPool) {
    this.#tag = tag;
    this.#plan = plan;
    this.#server = server;
    this.#socket = socket;
    this.#slots = slots;
    this.#firewall = new Firewall(tag, plan, server);
  }

  /**
   * Brings the host into the state that these settings and these running jobs ask for, whatever state it was in. Networks of
   * other jobs with this tag are removed. While jobs run, their subnets stay, whatever the settings say.
   */
  static async open(settings: NetworkSettings, kept: readonly JobNetwork[]): Promise<Networks> {
    checkTag(settings.tag);
    const server = serverPolicy(settings.policy);
    prepareNamespaceFolder();
    const socket = new RouteSocket();
    try {
      const keep = new Set(kept.map(({ slot }) => slot));
      await removeLeftovers(socket, settings.tag, kept);
      if (kept.length === 0) await removeBridges(socket, settings.tag);
      return await withHostLock(async () => {
        const bridge = settings.bridge === undefined ? {} : { bridge: settings.bridge };
        const plan = new AddressPlan(kept[0]?.subnets ?? { ...(await freeSubnets(socket, settings)), ...bridge });
        const used = await leftoverSlots(socket, settings.tag);
        const slots = new SlotPool(plan, new Set([...used, ...keep]), settings.most);
        const networks = new Networks(settings.tag, plan, server, socket, slots);
        await networks.#install(kept);
        return networks;
      });
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  get subnets(): Subnets {
    return this.#plan.subnets;
  }

  /** How many slots are in use or still dying. */
  get used(): number {
    return this.#slots.used;
  }

  /** Checks what a job asks for. Throws NetworkError (invalid) before any side effect. */
  check(request: NetworkRequest): JobPolicy {
    checkRate(request.rateBytesPerSecond);
    return jobPolicy(request, this.#server);
  }

  /** A network with the default policy, ready for one job. Throws NetworkError (exhausted). */
  async make(): Promise<JobNetwork> {
    const slot = await this.#claim();
    const addresses = this.#plan.slot(slot);
    try {
      const index = await this.#bridge(addresses.bridge);
      const bridge = { index, mac: this.#plan.bridge(addresses.bridge).mac };
      await makeVeth(this.#socket, this.#tag, addresses, bridge, this.#mtu);
      this.#taken.add(slot);
      return networkOf(this.#tag, this.#plan, addresses);
    } catch (error) {
      void this.#freeWhenGone(slot);
      throw error;
    }
  }

  /** Where all that is left is of jobs that have just ended, waits for it a moment. */
  async #claim(): Promise<number> {
    for (const deadline = performance.now() + claimPatienceMs; ; await sleep(claimLookMs)) {
      try {
        return this.#slots.claim();
      } catch (error) {
        if (this.#slots.free > 0 || this.#slots.retired === 0 || performance.now() > deadline) throw error;
      }
    }
  }

  /**
   * Gives a network its job's policy, before the job starts. Throws NetworkError (invalid, conflict); nothing of it is in
   * force then. Returns what is to be kept with the job.
   */
  async assign(network: JobNetwork, request: NetworkRequest): Promise<JobNetwork> {
    const policy = this.check(request);
    const { slot } = network;
    this.#ports.release(slot); // asked a second time, by who lost the first answer
    this.#ports.claim(slot, policy.publish);
    try {
      if (!isDefaultPolicy(policy)) await this.#firewall.addJob(slot, policy);
      if (request.rateBytesPerSecond > 0) {
        await limitRate(this.#socket, this.#tag, slot, request.rateBytesPerSecond);
      }
      return { ...network, request };
    } catch (error) {
      await this.#firewall.removeJob(slot);
      this.#ports.release(slot);
      throw error;
    }
  }

  /**
   * Takes a network away. Its rules and ports are free when this resolves; its addresses when its last process is gone and
   * the kernel has forgotten its connections. Rules that are added after this was called come after their removal.
   */
  async release({ slot }: JobNetwork): Promise<void> {
    if (!this.#taken.delete(slot)) return;
    this.#slots.retire(slot);
    this.#ports.release(slot);
    const cut = this.#cut(slot);
    await this.#firewall.removeJob(slot, cut);
    await cut;
    void this.#freeWhenGone(slot);
  }

  async #cut(slot: number): Promise<void> {
    const addresses = this.#plan.slot(slot);
    await removeVeth(this.#socket, this.#tag, addresses, await this.#bridge(addresses.bridge));
  }

  /** Networks in use stay, with bridge and rules; without any, all of it goes. */
  async close(): Promise<void> {
    if (this.#taken.size === 0) {
      await this.#firewall.remove();
      await removeBridges(this.#socket, this.#tag);
    }
    this.dropPorts();
    this.#socket.close();
    this.#connections.close();
  }

  /** Gives up the sockets of published ports, as the end of this process would. */
  dropPorts(): void {
    for (const slot of this.#taken) this.#ports.release(slot);
  }

  async #install(kept: readonly JobNetwork[]): Promise<void> {
    await this.#forgetOthers(kept);
    enableForwarding();
    this.#mtu = await uplinkMtu(this.#socket);
    const bridges = 1 + Math.max(0, ...kept.map(({ slot }) => this.#plan.bridgeOf(slot)));
    const policies = new Map(
      kept.map(({ slot, request }) => [slot, jobPolicy(request, { ...this.#server, refused: [] })]),
    );
    await this.#firewall.install(bridges, policies);
    for (let bridge = 0; bridge < bridges; bridge++) {
      this.#bridges.set(bridge, this.#ensureBridge(bridge));
      await this.#bridges.get(bridge);
    }
    for (const { slot } of kept) {
      this.#taken.add(slot);
      this.#ports.adopt(slot, policies.get(slot)?.publish ?? []);
    }
  }

  /** Connections of jobs that ended while nobody looked. */
  async #forgetOthers(kept: readonly JobNetwork[]): Promise<void> {
    const alive = new Set(kept.flatMap(({ address, address6 }) => [address, address6]));
    const blocks = [this.#plan.subnet, this.#plan.prefix6].filter((block) => block !== null);
    const isOurs = (address: string) => blocks.some((block) => contains(block, parseCidr(address) ?? unspecified));
    try {
      await this.#connections.forgetAll((address) => address !== "" && isOurs(address) && !alive.has(address));
    } catch (error) {
      const reason = `the kernel cannot be made to forget connections (${(error as Error).message})`;
      throw new NetworkError("unavailable", reason, "use a kernel with it, or load the module nf_conntrack_netlink");
    }
  }

  /** Rules first: a bridge without them would be open. */
  #bridge(bridge: number): Promise<number> {
    const there = this.#bridges.get(bridge);
    if (there !== undefined) return there;
    const made = this.#firewall.addBridge(bridge).then(() => this.#ensureBridge(bridge));
    this.#bridges.set(bridge, made);
    made.catch(() => this.#bridges.delete(bridge)); // the next job tries again
    return made;
  }

  #ensureBridge(bridge: number): Promise<number> {
    const name = bridgeName(this.#tag, bridge, this.#plan.subnets.bridge);
    return ensureBridge(this.#socket, name, this.#plan.bridge(bridge));
  }

  /** A slot whose last process lingers stays in use, and one of whose connections the kernel still knows. */
  async #freeWhenGone(slot: number): Promise<void> {
    const { address, address6 } = this.#plan.slot(slot);
    try {
      await waitUntilGone(this.#socket, this.#tag, slot);
      await this.#connections.forget([address, address6]);
      this.#slots.release(slot);
    } catch {
      // A closed socket: nobody will claim any more. Else the slot stays in use until the next server.
    }
  }
}

/** Takes away everything of a tag that no process uses: tables, bridges, namespaces. For `podium doctor --cleanup`. */
export async function removeNetworks(tag: string): Promise<void> {
  checkTag(tag);
  const socket = new RouteSocket();
  try {
    await removeLeftovers(socket, tag, []);
    await removeBridges(socket, tag);
    await applyRules(removal(tag));
  } finally {
    socket.close();
  }
}

async function freeSubnets(socket: RouteSocket, { tag, subnet, prefix6, most }: NetworkSettings): Promise<Subnets> {
  const occupied = await occupiedBlocks(socket, tag);
  return chooseSubnets({ subnet, prefix6: hasIpv6() ? prefix6 : "none", most }, tag, occupied);
}
