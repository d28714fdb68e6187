// The options that describe a job's network, shared by run, start and sandbox.
import { type Command, InvalidArgumentError, Option } from "commander";
import { parseSize } from "../../sandbox/units.ts";
import { NetworkMode, type NetworkOptions } from "../gen/podium.ts";
import type { NetworkWish } from "../jobs/network-request.ts";

export interface NetworkFlags {
  readonly net?: "none" | "bridge";
  readonly allow?: string[];
  readonly deny?: string[];
  readonly publish?: string[];
  readonly netRate?: number;
  readonly requireReachable?: string[];
}

function rate(text: string): number {
  const bytes = parseSize(text);
  if (bytes === null || bytes === 0)
    throw new InvalidArgumentError(`${JSON.stringify(text)} is not a rate; write it like 10M or 512K.`);
  return bytes;
}

function another(text: string, previous: string[] = []): string[] {
  return [...previous, text];
}

/** What values mean is checked where the job will run: the server, or this machine for `podium sandbox`. */
export function addNetworkOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--net <MODE>", "network: bridge (default: its own, behind NAT) or none").choices(["none", "bridge"]),
    )
    .option("--allow <CIDR[:PORT]>", "reach this and nothing else; repeatable", another)
    .option("--deny <CIDR>", "never reach this; repeatable", another)
    .option("-p, --publish <HOST:JOB[/udp]>", "lead a port of the host to the job; repeatable", another)
    .option("--net-rate <SIZE>", "bytes per second, in each direction", rate)
    .option("--require-reachable <HOST:PORT>", "start only when this is reachable from inside; repeatable", another);
}

export function networkWishOf(flags: NetworkFlags): NetworkWish {
  const { net = "", allow = [], deny = [], publish = [], netRate = 0, requireReachable = [] } = flags;
  return { mode: net, allow, deny, publish, rateBytesPerSecond: netRate, requireReachable };
}

const modes = { "": NetworkMode.UNSPECIFIED, none: NetworkMode.NONE, bridge: NetworkMode.BRIDGE } as const;

/** The same for the API. */
export function networkOptionsOf(flags: NetworkFlags): NetworkOptions {
  const { mode, rateBytesPerSecond, allow, deny, publish, requireReachable } = networkWishOf(flags);
  return {
    mode: modes[mode],
    allow: [...allow],
    deny: [...deny],
    publish: [...publish],
    rateBytesPerSecond: BigInt(rateBytesPerSecond),
    requireReachable: [...requireReachable],
  };
}
