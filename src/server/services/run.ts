// Start, Log and Wait in one call.
import { setTimeout } from "node:timers/promises";
import type { RunRequest, RunResponse } from "../../gen/podium.ts";
import { InvalidRequest } from "../../jobs/errors.ts";
import type { Job } from "../../jobs/job.ts";
import type { Caller, Jobs } from "../../jobs/jobs.ts";
import { hasOutput } from "../../jobs/log-reader.ts";
import type { CallContext, Send } from "../calls.ts";
import { FramedMessages } from "../framed.ts";
import { jobInfo } from "../wire.ts";
import { sendLog } from "./logger.ts";
import { start } from "./starter.ts";

/** Of the output. */
const everything = { from: { stdout: 0, stderr: 0 }, snapshot: false };

export async function run(
  jobs: Jobs,
  context: CallContext,
  caller: Caller,
  { start: wanted, noOutput }: RunRequest,
  send: Send<RunResponse>,
  signal: AbortSignal,
): Promise<void> {
  if (wanted === undefined) throw new InvalidRequest("start", "is not set", "say what to start");
  const started = await start(jobs, context, caller, wanted, signal);
  if (!(await send({ event: { $case: "started", value: started } }))) return;
  if (started.response?.$case !== "success") return;
  const job = jobs.find(caller, started.response.value.id);
  // A piece is the same bytes as in Log's messages: LogResponse.success and RunResponse.output have one number.
  if (!noOutput && !(await endsSilentlyAtOnce(job, signal)))
    await sendLog(new FramedMessages(send), job, everything, signal);
  await jobs.untilEnded(job, signal);
  await send({ event: { $case: "ended", value: jobInfo(job, jobs.usage(job)) } });
}

/** A job of a few milliseconds that writes nothing is over before its files would have been opened to be followed. */
const atOnceMs = 3;

async function endsSilentlyAtOnce(job: Job, signal: AbortSignal): Promise<boolean> {
  await Promise.race([job.ended(signal), setTimeout(atOnceMs)]);
  return job.outcome !== null && !hasOutput(job.folder);
}
