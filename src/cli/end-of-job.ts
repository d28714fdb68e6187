// How a job's end is told and what exit code it makes.
import type { JobFailure } from "../client/call-failure.ts";
import type { Podium } from "../client/connect.ts";
import { jobStatus } from "../client/jobs.ts";
import { ConnectionLost } from "../client/resume.ts";
import { FailureCode, type JobInfo, type StartRequest } from "../gen/podium.ts";
import { exitCodeOf } from "./exit-code.ts";
import { CliError, tell } from "./failure.ts";
import { explained } from "./with-podium.ts";

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

/** Failures of Start that leave a job which has ended. */
const endedJob: readonly FailureCode[] = [FailureCode.START_FAILED, FailureCode.STOPPED_IN_QUEUE];

/** A job whose command did not start has ended too: tells it and resolves with it. Throws any other failure again. */
export async function failedStart(podium: Podium, { requestId }: StartRequest, failure: unknown): Promise<JobInfo> {
  if (failure instanceof ConnectionLost) {
    const { message } = await explained(failure, podium);
    throw new CliError(
      message,
      `if the job was started, the same command with --request-id ${requestId} finds it`,
      failure,
    );
  }
  const { name, code, id } = failure as JobFailure;
  if (name !== "JobFailure" || !endedJob.includes(code)) throw failure;
  const job = await jobStatus(podium, id);
  tellUnusualEnd(job);
  return job;
}
