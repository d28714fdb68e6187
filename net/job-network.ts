// What the parts of net/ tell one another and their callers: plain data, kept with the job as JSON.
import type { AddressPlan, SlotAddresses, Subnets } from "./address-pool.ts";
import { namespaceName } from "./names.ts";
import type { PolicyRequest, ServerPolicySettings } from "./policy.ts";

/** What a job asks for; all empty and 0: the server's default. */
export interface NetworkRequest extends PolicyRequest {
  /** Bytes per second in each direction, 0 = no limit. */
  readonly rateBytesPerSecond: number;
}

export const defaultRequest: NetworkRequest = { allow: [], deny: [], publish: [], rateBytesPerSecond: 0 };

export interface NetworkSettings {
  /** 8 hexadecimal digits, `networkTag(id of the DATA)`. */
  readonly tag: string;
  /** IPv4 block; null: a free one is chosen. */
  readonly subnet: string | null;
  /** IPv6 block; null: made from the tag; `none`: no IPv6. */
  readonly prefix6: string | null;
  /** Most job networks at once, 0 = as many as the subnet holds. */
  readonly most: number;
  readonly policy: ServerPolicySettings;
  /** How the bridges' names begin; absent: `pod`. */
  readonly bridge?: string;
}

/** One job's network. Whoever keeps it with the job can give it to the next server (`Networks.open`). */
export interface JobNetwork {
  readonly slot: number;
  /** Name in /run/netns. */
  readonly namespace: string;
  readonly address: string;
  readonly gateway: string;
  readonly address6: string | null;
  readonly gateway6: string | null;
  readonly subnets: Subnets;
  readonly request: NetworkRequest;
}

export function networkOf(tag: string, plan: AddressPlan, addresses: SlotAddresses): JobNetwork {
  const { slot, address, gateway, address6, gateway6 } = addresses;
  const namespace = namespaceName(tag, slot);
  return { slot, namespace, address, gateway, address6, gateway6, subnets: plan.subnets, request: defaultRequest };
}
