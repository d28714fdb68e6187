import { NetworkMode, type StartRequest } from "../../gen/podium.ts";
import { InvalidRequest } from "../../jobs/errors.ts";
import { type NetworkWish, noWish } from "../../jobs/network-request.ts";

export function networkWishOf({ network }: StartRequest): NetworkWish {
  if (network === undefined) return noWish;
  const { allow, deny, publish, requireReachable, rateBytesPerSecond } = network;
  const rate = rateOf(rateBytesPerSecond);
  return { mode: networkMode(network.mode), allow, deny, publish, requireReachable, rateBytesPerSecond: rate };
}

function networkMode(mode: NetworkMode): NetworkWish["mode"] {
  switch (mode) {
    case NetworkMode.UNSPECIFIED:
      return "";
    case NetworkMode.NONE:
      return "none";
    case NetworkMode.BRIDGE:
      return "bridge";
    default:
      throw new InvalidRequest("network.mode", `${mode} is not a mode`, "use none or bridge");
  }
}

function rateOf(value: bigint): number {
  if (value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new InvalidRequest(
    "network.rate_bytes_per_second",
    `${value} is not a number from 0 to 2^53 - 1`,
    "0: no limit",
  );
}
