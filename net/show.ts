// What `ip` shows of a host's networks, for doctor and tests, so that they do not ask the code that made them. The iproute
// package joins its arguments for a shell: only names that podium made itself get there.
import { execFileSync } from "node:child_process";
import { address } from "iproute";
import { NetworkError } from "./errors.ts";
import { bridgeName } from "./names.ts";

const nameShape = /^[a-z0-9][a-z0-9-]{0,63}$/;

/** `pod-1a2b3c4d 10.0.0.1/22` for each address of a bridge of this tag. */
export async function shownBridge(tag: string, bridge: number): Promise<string[]> {
  const dev = bridgeName(tag, bridge);
  const links = (await address.show({ dev })) as readonly ShownLink[];
  return links.flatMap(addressesOf);
}

function addressesOf({ ifname, addr_info }: ShownLink): string[] {
  return addr_info.map(({ local, prefixlen }) => `${ifname} ${local}/${prefixlen}`);
}

/** Names of all named network namespaces (`ip netns list`). */
export function shownNamespaces(): string[] {
  const text = execFileSync("ip", ["-j", "netns", "list"], { encoding: "utf8" });
  return text.trim() === "" ? [] : (JSON.parse(text) as { name: string }[]).map(({ name }) => name);
}

interface ShownLink {
  readonly ifname: string;
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
}

/** `eth0 10.0.0.2/32` for each address in a named namespace. */
export function shownAddresses(namespace: string): string[] {
  return ipJson<ShownLink>(namespace, "addr").flatMap(addressesOf);
}

interface ShownRoute {
  readonly dst: string;
  readonly gateway?: string;
  readonly dev: string;
}

/** `default via 10.0.0.1` for each route in a named namespace, both families. */
export function shownRoutes(namespace: string): string[] {
  const routes = [...ipJson<ShownRoute>(namespace, "-4", "route"), ...ipJson<ShownRoute>(namespace, "-6", "route")];
  return routes.map(({ dst, gateway, dev }) => (gateway === undefined ? `${dst} dev ${dev}` : `${dst} via ${gateway}`));
}

function ipJson<T>(namespace: string, ...words: readonly string[]): T[] {
  if (!nameShape.test(namespace))
    throw new NetworkError("invalid", `${JSON.stringify(namespace)} is no namespace's name`);
  const text = execFileSync("ip", ["-j", "-n", namespace, ...words], { encoding: "utf8" });
  return text.trim() === "" ? [] : (JSON.parse(text) as T[]);
}
