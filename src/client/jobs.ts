// What there is to know about jobs, waiting for them and removing them.
import {
  type JobInfo,
  JobsService,
  type ListFilter,
  ListRequest,
  StatusService,
  type UpdateRequest,
} from "../gen/podium.ts";
import { promptMs, serverStream, unary } from "./call.ts";
import { CallFailure, successOf } from "./call-failure.ts";
import type { Podium } from "./connect.ts";
import { resumed } from "./resume.ts";

/** One job as it is now. Throws JobFailure, CallFailure. */
export async function jobStatus(podium: Podium, id: bigint, signal?: AbortSignal): Promise<JobInfo> {
  const { response } = await unary(podium, StatusService.status, { id }, { signal, timeoutMs: promptMs });
  return told(successOf(response).job);
}

export interface JobFilter {
  /** Finished jobs too. */
  readonly all?: boolean;
  /** Only the caller's own job of this name, finished or not. */
  readonly name?: string;
  readonly filter?: ListFilter;
}

/** Jobs in the order of their ids. Throws CallFailure. */
export async function* listJobs(podium: Podium, filter: JobFilter = {}, signal?: AbortSignal): AsyncGenerator<JobInfo> {
  for await (const { job } of serverStream(podium, JobsService.list, ListRequest.create(filter), signal)) {
    yield told(job);
  }
}

/**
 * Resolves with the job when it has ended. Tries again by itself when a connection that stood is lost; throws
 * ConnectionLost when it does not come back.
 */
export async function waitForJob(podium: Podium, id: bigint, signal?: AbortSignal): Promise<JobInfo> {
  const { job } = await resumed(podium, () => unary(podium, JobsService.wait, { id }, { signal }), signal);
  return told(job);
}

/** Removes a finished job with its output. Throws CallFailure, FAILED_PRECONDITION while it runs. */
export async function removeJob(podium: Podium, id: bigint, signal?: AbortSignal): Promise<void> {
  await unary(podium, JobsService.remove, { id }, { signal, timeoutMs: promptMs });
}

/** Changes limits of a running job and resolves with it. Throws CallFailure with everything as it was. */
export async function updateJob(podium: Podium, request: UpdateRequest, signal?: AbortSignal): Promise<JobInfo> {
  const { job } = await unary(podium, JobsService.update, request, { signal, timeoutMs: promptMs });
  return told(job);
}

export function told(job: JobInfo | undefined): JobInfo {
  if (job !== undefined) return job;
  throw new CallFailure("UNKNOWN", "the server tells too little: it serves RFD 0 alone, or is not podium");
}
