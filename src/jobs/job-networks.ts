// The network's part of the seam (executor.ts): gives a job its network before it starts and takes it away when it has
// ended. Plain data in, plain data out.

import { AddressPlan } from "../../net/address-pool.ts";
import { NetworkAgent } from "../../net/agent/client.ts";
import { hostsFile, type Resolver, readResolver } from "../../net/dns.ts";
import { NetworkError } from "../../net/errors.ts";
import type { JobNetwork, NetworkRequest, NetworkSettings } from "../../net/job-network.ts";
import { networkTag } from "../../net/names.ts";
import { hasTraces, namespaceFile, prepareNamespaceFolder, reachablePath } from "../../net/namespaces.ts";
import { jobPolicy, type ServerPolicy, serverPolicy } from "../../net/policy.ts";
import { NetworkPool } from "../../net/pool.ts";
import { ProbeQueue, placeBefore } from "../../net/probe/queue.ts";
import { checkRate } from "../../net/rate.ts";
import { type ProbedProcess, type ProbeResult, parseRequired, unreachableText } from "../../net/reachability.ts";
import type { Names, SandboxSpec } from "../../sandbox/spec.ts";
import { Exhausted, InvalidRequest, PortTaken, Unenforceable, Unreachable } from "./errors.ts";
import { detailOf, type NetworkChoices, type NetworkWish } from "./network-request.ts";

export type { JobNetwork };

interface Log {
  warn(fields: object, message: string): void;
}

/** How long what was found out about the host (resolver, other firewalls, what is missing) is taken for true. */
const freshMs = { resolver: 1_000, firewall: 30_000, failure: 1_000 } as const;
/** How long a target that must be reachable gets to answer. */
const requiredMs = 5_000;
/** Networks that were taken are made anew when no job has started for so long. */
const quietMs = 40;
const attempts = 3;

export class JobNetworks {
  readonly #choices: NetworkChoices;
  readonly #settings: NetworkSettings;
  readonly #log: Log;
  readonly #server: ServerPolicy;
  readonly #probes = new ProbeQueue();
  readonly #releasing = new Set<Promise<void>>();
  #kept: readonly JobNetwork[];
  #agent: NetworkAgent | null = null;
  #pool: NetworkPool | null = null;
  #opening: Promise<NetworkAgent> | null = null;
  #failure = { error: null as unknown, untilMs: 0 };
  #firewall = { checkedMs: 0, refusal: null as string | null };
  #resolver = { readMs: Number.NEGATIVE_INFINITY, found: null as Resolver | null };
  #closed = false;

  private constructor(tag: string, choices: NetworkChoices, kept: readonly JobNetwork[], log: Log) {
    const { bridge, subnet, prefix6, most, deny, permit } = choices;
    this.#choices = choices;
    this.#settings = { tag: networkTag(tag), bridge, subnet, prefix6, most, policy: { deny, permit } };
    this.#server = serverPolicy(this.#settings.policy);
    this.#kept = kept;
    this.#log = log;
  }

  /**
   * Takes over the networks of jobs that still run and sweeps what others left. Nothing of the host but /run/netns is
   * touched when no job is to have a network unless it asks for one. Throws for a configuration that makes no sense; a host that cannot have
   * networks refuses them at Start.
   */
  static async open(tag: string, choices: NetworkChoices, kept: readonly JobNetwork[], log: Log): Promise<JobNetworks> {
    const networks = new JobNetworks(tag, choices, kept, log);
    networks.#checkChoices();
    makeFolder();
    const wanted = choices.default === "bridge";
    const left = kept.length > 0 || hasTraces(networks.#settings.tag);
    if (!wanted && !left) return networks;
    const opened = networks.#open().catch((error: NetworkError) => {
      log.warn({ reason: error.message, mend: error.mend }, "jobs can have no network but --net none");
    });
    if (left) await opened;
    return networks;
  }

  #checkChoices(): void {
    const { subnet, prefix6 } = this.#choices;
    const standIn = { subnet: subnet ?? "10.0.0.0/20", prefix6: prefix6 === "none" ? null : prefix6 };
    new AddressPlan(standIn); // throws NetworkError (invalid), naming the key
  }

  /** Whether the job is to have a network of its own. Throws InvalidRequest for what cannot be had, before anything is made. */
  check(wish: NetworkWish): boolean {
    const mode = wish.mode === "" ? this.#choices.default : wish.mode;
    try {
      if (mode === "bridge") this.#checkBridge(wish);
      else refuseWithout(wish);
    } catch (error) {
      throw wireError(error);
    }
    return mode === "bridge";
  }

  #checkBridge(wish: NetworkWish): void {
    const { rateBytesPerSecond, ...policy } = requestOf(wish);
    checkRate(rateBytesPerSecond);
    jobPolicy(policy, this.#server);
    for (const [i, target] of wish.requireReachable.entries()) parseRequired(`require_reachable[${i}]`, target);
  }

  /**
   * A network for one job, its policy in force. null: the job gets none. Throws InvalidRequest, Unenforceable, Exhausted,
   * PortTaken, Unreachable; nothing is left then.
   */
  async acquire(wish: NetworkWish, hostname: string): Promise<JobNetwork | null> {
    if (!this.check(wish)) return null;
    try {
      const network = await this.#assigned(requestOf(wish));
      if (wish.requireReachable.length === 0) return network;
      return await this.#whenReachable(network, wish, hostname);
    } catch (error) {
      throw wireError(error);
    }
  }

  /** An agent that dies in the middle is replaced by the next attempt. */
  async #assigned(request: NetworkRequest): Promise<JobNetwork> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#assignOnce(request);
      } catch (error) {
        if (!(error instanceof NetworkError && error.code === "lost") || attempt === attempts) throw error;
      }
    }
  }

  async #assignOnce(request: NetworkRequest): Promise<JobNetwork> {
    const agent = await this.#open();
    await this.#refuseForeignDrop(agent);
    const ready = this.#pool;
    if (ready === null) throw new NetworkError("unavailable", "the server is ending");
    const made = await ready.take();
    try {
      return await agent.assign(made, request);
    } catch (error) {
      this.#release(agent, made);
      throw error;
    }
  }

  async #whenReachable(network: JobNetwork, wish: NetworkWish, hostname: string): Promise<JobNetwork> {
    try {
      const place = placeBefore(namespaceFile(network.namespace), this.#names(network, hostname));
      const asked = wish.requireReachable.map(async (text) => {
        const result = await this.#probes.ask(place, parseRequired("require_reachable", text), requiredMs);
        if (result.verdict !== "reachable") throw new Unreachable(unreachableText(text, result));
      });
      await Promise.all(asked);
      return network;
    } catch (error) {
      this.release(network);
      throw error;
    }
  }

  /** The job's specification with its network. */
  within(spec: SandboxSpec, network: JobNetwork | null): SandboxSpec {
    if (network === null) return spec;
    const names = this.#names(network, spec.hostname);
    return { ...spec, network: { kind: "namespace", path: reachablePath(network.namespace) }, names };
  }

  /** From now on its ports are free; its address when nothing of the job is left. */
  release(network: JobNetwork): void {
    if (this.#agent !== null) this.#release(this.#agent, network);
    else this.#kept = this.#kept.filter(({ slot }) => slot !== network.slot); // swept when there is one
  }

  #release(agent: NetworkAgent, network: JobNetwork): void {
    const released = agent.release(network).catch((error: Error) => {
      if (!this.#closed) this.#log.warn({ namespace: network.namespace, error: error.message }, "network not released");
    });
    this.#releasing.add(released);
    void released.then(() => this.#releasing.delete(released));
  }

  /** Asks from inside a running job, with its rights. Throws InvalidRequest. */
  async netcheck(command: ProbedProcess, target: string, timeoutMs: number): Promise<ProbeResult> {
    try {
      return await this.#probes.askFrom(command, target, timeoutMs);
    } catch (error) {
      throw wireError(error);
    }
  }

  /** Networks of running jobs stay as they are; without any, everything of this server goes. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#opening?.catch(() => {});
    await this.#pool?.close();
    while (this.#releasing.size > 0) await Promise.all(this.#releasing);
    await this.#agent?.close().catch((error: Error) => {
      this.#log.warn({ error: error.message }, "networks not removed");
    });
  }

  #open(): Promise<NetworkAgent> {
    if (this.#agent !== null) return Promise.resolve(this.#agent);
    if (performance.now() < this.#failure.untilMs) return Promise.reject(this.#failure.error);
    if (this.#closed) return Promise.reject(new NetworkError("unavailable", "the server is ending"));
    this.#opening ??= this.#openAgent()
      .catch((error) => {
        this.#failure = { error, untilMs: performance.now() + freshMs.failure };
        throw error;
      })
      .finally(() => {
        this.#opening = null;
      });
    return this.#opening;
  }

  async #openAgent(): Promise<NetworkAgent> {
    const agent = await NetworkAgent.open(this.#settings, this.#kept);
    const pool = new NetworkPool(agent, this.#choices.ready, quietMs);
    agent.on("lost", () => pool.forget());
    this.#kept = [];
    await this.#lookForDrops(agent).catch(() => {}); // an nft that cannot tell: nothing is known against it
    [this.#agent, this.#pool] = [agent, pool];
    return agent;
  }

  /** Asked again now and then while all is well, and at each Start while it is not. */
  async #refuseForeignDrop(agent: NetworkAgent): Promise<void> {
    if (this.#choices.ignoreForeignFirewall) return;
    const age = performance.now() - this.#firewall.checkedMs;
    if (this.#firewall.refusal !== null) await this.#lookForDrops(agent);
    else if (age > freshMs.firewall) void this.#lookForDrops(agent).catch(() => {}); // the next Start asks again
    if (this.#firewall.refusal !== null) throw new NetworkError("unavailable", this.#firewall.refusal);
  }

  async #lookForDrops(agent: NetworkAgent): Promise<void> {
    const { refusal } = this.#firewall;
    this.#firewall = { checkedMs: performance.now(), refusal };
    const [drop] = await agent.foreignDrops();
    const mend = `let them pass (${drop?.mend}) or set network.ignoreForeignFirewall`;
    this.#firewall.refusal = drop === undefined ? null : `${drop.reason}; ${mend}`;
  }

  #names({ address, address6 }: JobNetwork, hostname: string): Names {
    return { hosts: hostsFile(hostname, [address, address6]), resolvConf: this.#resolverNow().text };
  }

  #resolverNow(): Resolver {
    const { found, readMs } = this.#resolver;
    if (found !== null && performance.now() - readMs < freshMs.resolver) return found;
    const read = readResolver();
    this.#resolver = { readMs: performance.now(), found: read };
    return read;
  }
}

/**
 * Before the zygote is started: it leaves /run/netns, which must be a mount of its own by then, or every network that is
 * made would change the mounts that its ready-made jobs were built on.
 */
function makeFolder(): void {
  try {
    prepareNamespaceFolder();
  } catch {
    // A host that cannot have it cannot have networks: the first Start that wants one is told why.
  }
}

function requestOf({ allow, deny, publish, rateBytesPerSecond }: NetworkWish): NetworkRequest {
  return { allow, deny, publish, rateBytesPerSecond };
}

/** What says something about a network says nothing without one. */
function refuseWithout(wish: NetworkWish): void {
  const field = detailOf(wish);
  if (field === null) return;
  throw new NetworkError("invalid", "the job has no network of its own", "leave it out, or ask for bridge", field);
}

const wireFields: Readonly<Record<string, string>> = { rate: "rate_bytes_per_second" };

/** A failure of net/ as an error of the product. */
function wireError(error: unknown): unknown {
  if (!(error instanceof NetworkError)) return error;
  const { code, field, message, mend } = error;
  const text = mend === "" ? message : `${message}; ${mend}`;
  switch (code) {
    case "invalid":
      return new InvalidRequest(field === "target" ? field : `network.${wireFields[field] ?? field}`, message, mend);
    case "conflict":
      return new PortTaken(text);
    case "exhausted":
      return new Exhausted(text);
    case "unavailable":
      return new Unenforceable(`network: ${text}; or use --net none`);
    default:
      return error;
  }
}
