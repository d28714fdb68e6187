import type { StatusRequest, StatusResponse, StatusServer } from "../../gen/podium.ts";
import type { Caller, Jobs } from "../../jobs/jobs.ts";
import { type CallContext, unary } from "../calls.ts";
import { inBand } from "../failures.ts";
import { jobInfo, stateOf } from "../wire.ts";

export function statusService(jobs: Jobs, context: CallContext): StatusServer {
  return { status: unary(context, "Status", (caller, request: StatusRequest) => statusOf(jobs, caller, request)) };
}

function statusOf(jobs: Jobs, caller: Caller, { id }: StatusRequest): StatusResponse {
  try {
    const job = jobs.find(caller, id);
    return { response: { $case: "success", value: { id, state: stateOf(job), job: jobInfo(job, jobs.usage(job)) } } };
  } catch (error) {
    const value = inBand(error, id);
    if (value === null) throw error;
    return { response: { $case: "failure", value } };
  }
}
