import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { TerminalSize } from "../../../sandbox/spec.ts";
import type { AttachRequest, AttachResponse, SessionServer, Terminal } from "../../gen/podium.ts";
import { Interrupted, InvalidRequest } from "../../jobs/errors.ts";
import type { Job } from "../../jobs/job.ts";
import type { JobControl } from "../../jobs/job-control.ts";
import type { Caller, Jobs } from "../../jobs/jobs.ts";
import { signalNumber } from "../../jobs/signal.ts";
import { type CallContext, callEnd, callerOf, told } from "../calls.ts";
import { FailedPrecondition } from "../failures.ts";
import { jobInfo } from "../wire.ts";
import { exec } from "./exec.ts";

type AttachCall = ServerDuplexStream<AttachRequest, AttachResponse>;

export function session(jobs: Jobs, context: CallContext): SessionServer {
  return {
    attach: (call: AttachCall) => {
      const answer = async () => {
        using end = callEnd(call, context);
        await attach(jobs, callerOf(call, context), call, end.signal);
        if (context.ending.aborted && !end.gone) throw new Interrupted();
      };
      answer().then(
        () => call.end(),
        (error) => call.emit("error", told(context, "Attach", error)),
      );
    },
    exec: exec(jobs, context),
  };
}

/** Reads no further request while the job reads no input: the stream's own flow control reaches the client. */
async function attach(jobs: Jobs, caller: Caller, call: AttachCall, signal: AbortSignal): Promise<void> {
  // The usual iterator destroys the call when the client half-closes, and with it the answers that are still to be sent.
  const requests: Requests = call.iterator({ destroyOnReturn: false });
  const first = await nextRequest(requests);
  if (first?.$case !== "open") throw new InvalidRequest("open", "the first request of Attach must be open");
  const job = jobs.find(caller, first.value.id);
  if (!job.meta.stdin && job.meta.terminal !== true)
    throw new FailedPrecondition(`job ${job.id} has no stdin: it was started without`);
  const control = await jobs.control(caller, first.value.id, signal);
  if (control === null) throw new FailedPrecondition(`job ${job.id} has ended`);
  try {
    call.write({ response: { $case: "opened", value: { id: BigInt(job.id) } } });
    await Promise.race([feed(requests, job, control, call), job.ended(signal)]);
    if (job.outcome === null) return;
    call.write({ response: { $case: "ended", value: { job: jobInfo(job, jobs.usage(job)) } } });
  } finally {
    control.close();
  }
}

type Requests = AsyncIterator<AttachRequest>;

async function nextRequest(requests: Requests): Promise<AttachRequest["request"] | null> {
  try {
    const { value, done } = await requests.next();
    return done === true ? null : (value.request ?? null);
  } catch {
    return null; // the client went; the job's stdin stays as it is
  }
}

async function feed(requests: Requests, job: Job, control: JobControl, call: AttachCall): Promise<void> {
  let taken = 0n;
  for (
    let request = await nextRequest(requests);
    request !== null && request !== undefined;
    request = await nextRequest(requests)
  ) {
    switch (request.$case) {
      case "stdin":
        if (!job.meta.stdin) throw new FailedPrecondition(`job ${job.id} has no stdin: nobody types on its terminal`);
        await control.input(request.value);
        taken += BigInt(request.value.length);
        call.write({ response: { $case: "stdinTaken", value: { bytes: taken } } });
        break;
      case "stdinEnd":
        control.inputEnd();
        if (job.meta.terminal !== true) call.write({ response: { $case: "stdinClosed", value: {} } });
        break;
      case "signal":
        control.signal(signalNumber(request.value));
        break;
      case "resize":
        control.resize(sizeOf(job, request.value));
        break;
      default:
        throw new InvalidRequest("open", "Attach is open already");
    }
  }
}

function sizeOf(job: Job, { rows, columns }: Terminal): TerminalSize {
  if (job.meta.terminal !== true) throw new FailedPrecondition(`job ${job.id} has no terminal`);
  if (Math.max(rows, columns) <= 65_535) return { rows, columns };
  throw new InvalidRequest("resize", `${rows} by ${columns} is no size`, "use at most 65535");
}
