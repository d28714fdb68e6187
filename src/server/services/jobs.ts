import {
  type JobsServer,
  ListFilter,
  type ListRequest,
  type ListResponse,
  type RemoveRequest,
  type RemoveResponse,
  type RunRequest,
  type RunResponse,
  type StatsRequest,
  type StatsResponse,
  type UpdateRequest,
  type WaitRequest,
  type WaitResponse,
} from "../../gen/podium.ts";

import type { Abortable } from "../../jobs/abortable.ts";
import type { Caller, Jobs } from "../../jobs/jobs.ts";
import { type CallContext, type Send, streaming, unary } from "../calls.ts";
import { jobInfo } from "../wire.ts";
import { run } from "./run.ts";
import { stats } from "./stats.ts";
import { update } from "./update.ts";

export function jobsService(jobs: Jobs, context: CallContext): JobsServer {
  return {
    list: streaming(context, "List", (caller, request: ListRequest, send: Send<ListResponse>) =>
      list(jobs, caller, request, send),
    ),
    run: streaming(context, "Run", (caller, request: RunRequest, send: Send<RunResponse>, signal) =>
      run(jobs, context, caller, request, send, signal),
    ),
    wait: unary(context, "Wait", (caller, request: WaitRequest, end) => wait(jobs, caller, request, end)),
    remove: unary(context, "Remove", (caller, { id }: RemoveRequest): RemoveResponse => {
      jobs.remove(caller, id);
      return {};
    }),
    update: unary(context, "Update", (caller, request: UpdateRequest) => update(jobs, caller, request)),
    stats: streaming(context, "Stats", (caller, request: StatsRequest, send: Send<StatsResponse>, signal) =>
      stats(jobs, caller, request, send, signal),
    ),
  };
}

async function list(
  jobs: Jobs,
  caller: Caller,
  { all, name, filter }: ListRequest,
  send: Send<ListResponse>,
): Promise<void> {
  for (const job of jobs.list(caller, { all, name, filter: filter ?? ListFilter.create() })) {
    if (!(await send({ job: jobInfo(job, jobs.usage(job)) }))) return;
  }
}

async function wait(jobs: Jobs, caller: Caller, { id }: WaitRequest, end: Abortable): Promise<WaitResponse> {
  const job = jobs.find(caller, id);
  await jobs.untilEnded(job, end);
  return { job: jobInfo(job, jobs.usage(job)) };
}
