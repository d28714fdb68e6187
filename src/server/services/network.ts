import { type NetcheckRequest, type NetcheckResponse, type NetworkServer, Reachability } from "../../gen/podium.ts";
import { InvalidRequest } from "../../jobs/errors.ts";
import type { Caller, Jobs } from "../../jobs/jobs.ts";
import { type CallContext, unary } from "../calls.ts";

const defaultTimeoutMs = 5_000;
const longestTimeoutMs = 60_000;

const words = {
  reachable: Reachability.REACHABLE,
  refused: Reachability.REFUSED,
  unreachable: Reachability.UNREACHABLE,
  timeout: Reachability.TIMEOUT,
} as const;

export function networkService(jobs: Jobs, context: CallContext): NetworkServer {
  return {
    netcheck: unary(context, "Netcheck", (caller, request: NetcheckRequest) => netcheck(jobs, caller, request)),
  };
}

async function netcheck(jobs: Jobs, caller: Caller, request: NetcheckRequest): Promise<NetcheckResponse> {
  const { id, target } = request;
  const { verdict, milliseconds, address, reason } = await jobs.netcheck(caller, id, target, timeoutOf(request));
  return { reachability: words[verdict], milliseconds, address, reason };
}

function timeoutOf({ timeoutMs }: NetcheckRequest): number {
  if (timeoutMs === 0n) return defaultTimeoutMs;
  if (timeoutMs > 0n && timeoutMs <= BigInt(longestTimeoutMs)) return Number(timeoutMs);
  throw new InvalidRequest("timeout_ms", `${timeoutMs} is not a time up to one minute`, "give milliseconds");
}
