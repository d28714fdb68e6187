// What may be asked of a job's network, and what the server's configuration says about it: plain data.

/** What a job asks for. Lists as typed; net/policy.ts gives them their meaning. */
export interface NetworkWish {
  /** "": the default of the server. */
  readonly mode: "" | "none" | "bridge";
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly publish: readonly string[];
  /** In each direction, 0 = no limit. */
  readonly rateBytesPerSecond: number;
  /** HOST:PORT */
  readonly requireReachable: readonly string[];
}

export const noWish: NetworkWish = {
  mode: "",
  allow: [],
  deny: [],
  publish: [],
  rateBytesPerSecond: 0,
  requireReachable: [],
};

/** The first thing that is asked of a network beside the network itself, by its name in net/; null: nothing is. */
export function detailOf(wish: NetworkWish): string | null {
  const lists = { allow: wish.allow, deny: wish.deny, publish: wish.publish, require_reachable: wish.requireReachable };
  const given = Object.entries(lists).find(([, list]) => list.length > 0)?.[0];
  return given ?? (wish.rateBytesPerSecond === 0 ? null : "rate");
}

/** `network` of the configuration. */
export interface NetworkChoices {
  /** What a job gets that asks for none in particular. */
  readonly default: "none" | "bridge";
  /** How the bridges' names begin; the id of DATA follows. */
  readonly bridge: string;
  /** IPv4 block of all jobs; null: a free one is chosen. */
  readonly subnet: string | null;
  /** IPv6 block; null: made from the id of DATA; `none`: no IPv6. */
  readonly prefix6: string | null;
  /** Most job networks at once, 0 = as many as the subnet holds. */
  readonly most: number;
  /** How many are kept ready. */
  readonly ready: number;
  /** Refused to every job: CIDR, or `private`. */
  readonly deny: readonly string[];
  /** Opened although it might be refused: CIDR[:PORT]. */
  readonly permit: readonly string[];
  /** Start jobs although another firewall of the host seems to drop what they send. */
  readonly ignoreForeignFirewall: boolean;
}
