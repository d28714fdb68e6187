// The network of one `podium sandbox`: made for it alone, and taken away with all that belongs to it.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { hostsFile, readResolver } from "../../net/dns.ts";
import { NetworkError } from "../../net/errors.ts";
import { findForeignDrops } from "../../net/foreign-firewall.ts";
import type { JobNetwork, NetworkRequest } from "../../net/job-network.ts";
import { networkTag } from "../../net/names.ts";
import { namespaceFile, reachablePath } from "../../net/namespaces.ts";
import { Networks, removeNetworks } from "../../net/networks.ts";
import { ProbeQueue, placeBefore } from "../../net/probe/queue.ts";
import { type ProbeTarget, parseRequired, unreachableText } from "../../net/reachability.ts";
import { explained } from "../../net/requirements.ts";
import type { Names, SandboxSpec } from "../../sandbox/spec.ts";
import { isGone } from "../../sandbox/sys/errors.ts";
import { detailOf, type NetworkWish } from "../jobs/network-request.ts";

const requiredMs = 5_000;
const settings = { subnet: null, prefix6: null, most: 1, policy: { deny: [], permit: [] } } as const;

export interface LocalNetwork {
  /** The specification with this network. */
  within(spec: SandboxSpec): SandboxSpec;
  close(): Promise<void>;
}

const noNetwork: LocalNetwork = { within: (spec) => spec, close: async () => {} };

/** `folder` is the sandbox's own. Throws NetworkError in the words of the command line; nothing is left then. */
export async function openLocalNetwork(folder: string, wish: NetworkWish, hostname: string): Promise<LocalNetwork> {
  try {
    if (wish.mode !== "none") return await open(folder, wish, hostname);
    const field = detailOf(wish);
    if (field === null) return noNetwork;
    throw new NetworkError("invalid", "there is no network with --net none", "leave one of the two out", field);
  } catch (error) {
    throw inOptions(await explained(error));
  }
}

async function open(folder: string, wish: NetworkWish, hostname: string): Promise<LocalNetwork> {
  const tag = networkTag(basename(folder));
  const targets = wish.requireReachable.map((text, i) => parseRequired(`require_reachable[${i}]`, text));
  writeFileSync(tagFile(folder), tag); // before anything is made: who finds it abandoned removes what has this tag
  const networks = await Networks.open({ tag, ...settings }, []);
  let network: JobNetwork | null = null;
  const close = async () => {
    if (network !== null) await networks.release(network);
    await networks.close();
    rmSync(tagFile(folder), { force: true });
  };
  try {
    networks.check(requestOf(wish));
    await refuseForeignDrop(tag);
    network = await networks.make();
    network = await networks.assign(network, requestOf(wish));
    const names = namesOf(network, hostname);
    const path = reachablePath(network.namespace);
    await requireAll(network, names, targets, wish.requireReachable);
    return { within: (spec) => ({ ...spec, network: { kind: "namespace", path }, names }), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function requestOf({ allow, deny, publish, rateBytesPerSecond }: NetworkWish): NetworkRequest {
  return { allow, deny, publish, rateBytesPerSecond };
}

function namesOf({ address, address6 }: JobNetwork, hostname: string): Names {
  return { hosts: hostsFile(hostname, [address, address6]), resolvConf: readResolver().text };
}

async function refuseForeignDrop(tag: string): Promise<void> {
  const [drop] = await findForeignDrops(tag);
  if (drop !== undefined) throw new NetworkError("unavailable", drop.reason, `let them pass: ${drop.mend}`);
}

async function requireAll(
  network: JobNetwork,
  names: Names,
  targets: readonly ProbeTarget[],
  texts: readonly string[],
) {
  const place = placeBefore(namespaceFile(network.namespace), names);
  const probes = new ProbeQueue();
  const asked = targets.map(async (target, i) => {
    const result = await probes.ask(place, target, requiredMs);
    const text = unreachableText(texts[i] ?? "", result);
    if (result.verdict !== "reachable") throw new NetworkError("failed", text, "", "require_reachable");
  });
  await Promise.all(asked);
}

const options: Readonly<Record<string, string>> = {
  allow: "--allow",
  deny: "--deny",
  publish: "--publish",
  rate: "--net-rate",
  require_reachable: "--require-reachable",
};

function inOptions(error: unknown): unknown {
  if (!(error instanceof NetworkError)) return error;
  const { code, message, mend, field } = error;
  const option = options[field.replace(/\[.*/, "")] ?? "--net bridge";
  const way = code === "unavailable" ? [mend, "or use --net none"].filter((text) => text !== "").join("; ") : mend;
  return new NetworkError(code, `${option}: ${message}`, way, field);
}

function tagFile(folder: string): string {
  return join(folder, "network");
}

/** Removes what a killed podium left of its network. */
export async function removeLocalNetwork(folder: string): Promise<void> {
  try {
    await removeNetworks(readFileSync(tagFile(folder), "utf8"));
    rmSync(tagFile(folder), { force: true });
  } catch (error) {
    if (!isGone(error)) throw error; // it had none
  }
}
