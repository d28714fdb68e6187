import type { StopperServer, StopRequest, StopResponse } from "../../gen/podium.ts";
import { InvalidRequest } from "../../jobs/errors.ts";
import type { Caller, Jobs } from "../../jobs/jobs.ts";
import { type CallContext, unary } from "../calls.ts";
import { inBand } from "../failures.ts";

const defaultGraceMs = 10_000;
const longestGraceMs = 86_400_000;

export function stopper(jobs: Jobs, context: CallContext): StopperServer {
  return {
    stop: unary(context, "Stop", (caller, request: StopRequest, end) => stop(jobs, caller, request, end.signal)),
  };
}

async function stop(jobs: Jobs, caller: Caller, request: StopRequest, aborted: AbortSignal): Promise<StopResponse> {
  const { id, signal } = request;
  try {
    await jobs.stop(caller, id, { signal, graceMs: graceOf(request) }, aborted);
    return { response: { $case: "success", value: { id } } };
  } catch (error) {
    const value = inBand(error, id);
    if (value === null) throw error;
    return { response: { $case: "failure", value } };
  }
}

function graceOf({ graceMs }: StopRequest): number {
  if (graceMs === undefined) return defaultGraceMs;
  if (graceMs >= 0n && graceMs <= BigInt(longestGraceMs)) return Number(graceMs);
  throw new InvalidRequest("grace_ms", `${graceMs} is not a time from 0 to one day`, "give milliseconds");
}
