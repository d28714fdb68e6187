// How a job's end is told and what exit code it makes.
import type { JobFailure } from "../client/call-failure.ts";
import type { Podium } from "../client/connect.ts";
import { jobStatus } from "../client/jobs.ts";
import { FailureCode, type JobInfo } from "../gen/podium.ts";
import { exitCodeOf } from "./exit-code.ts";
import { tell } from "./failure.ts";

export function exitCodeOfJob({ outcome }: JobInfo): number {
  if (outcome === undefined) return 125;
  const { cause, exitCode = null, signal, step, errno } = outcome;
  return exitCodeOf({ cause, exitCode, signal: signal === "" ? null : signal, step, errno });
}

/** One line on stderr, unless the command just exited. */
export function tellUnusualEnd({ id, outcome }: JobInfo): void {
  if (outcome === undefined || outcome.cause === "EXITED") return;
  tell(`job ${id}: ${outcome.cause}: ${outcome.message}`);
}

/** A job whose command did not start has ended too: tells it and resolves with it. Throws any other failure again. */
export async function failedStart(podium: Podium, failure: unknown): Promise<JobInfo> {
  const { name, code, id } = failure as JobFailure;
  if (name !== "JobFailure" || code !== FailureCode.START_FAILED) throw failure;
  const job = await jobStatus(podium, id);
  tellUnusualEnd(job);
  return job;
}
