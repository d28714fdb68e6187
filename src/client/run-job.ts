// A job from its start to its end in one call.
import { type JobInfo, JobsService, type StartRequest } from "../gen/podium.ts";
import { serverStream } from "./call.ts";
import { CallFailure, isInterruption, successOf } from "./call-failure.ts";
import { type Podium, whetherItStood } from "./connect.ts";
import { told, waitForJob } from "./jobs.ts";
import { followFrom, type LogPiece, Place, pieceOf } from "./logs.ts";
import { repeatable, startJob } from "./start.ts";

/** First the id, once the command has been exec'd, then its output, at last the job. */
export type RunEvent = { readonly started: bigint } | { readonly output: LogPiece } | { readonly ended: JobInfo };

export interface RunOptions {
  /** Default: true. */
  readonly output?: boolean;
}

/**
 * Starts a job and follows it to its end. Goes on by itself, at the byte where it was, when a connection that stood is lost, and
 * with a server that knows no Run; throws ConnectionLost when it does not come back. Throws JobFailure and CallFailure as
 * startJob, followLogs and waitForJob do. Aborting does not stop the job.
 */
export async function* runJob(
  podium: Podium,
  wanted: StartRequest,
  { output = true }: RunOptions = {},
  signal?: AbortSignal,
): AsyncGenerator<RunEvent, void, undefined> {
  const request = repeatable(wanted);
  const stood = whetherItStood(podium);
  let place: Place | null = null;
  let id = 0n;
  try {
    const call = serverStream(podium, JobsService.run, { start: request, noOutput: !output }, signal);
    for await (const { event } of call) {
      if (event?.$case === "started") {
        ({ id } = successOf(event.value.response));
        place = new Place(id);
        yield { started: id };
      } else if (event?.$case === "output") {
        const piece = pieceOf(event.value);
        place?.take(piece);
        yield { output: piece };
      } else if (event?.$case === "ended") return yield { ended: told(event.value) };
    }
  } catch (error) {
    if (!goesOn(error, stood())) throw error;
  }
  if (place === null) {
    id = await startJob(podium, request, signal);
    place = new Place(id);
    yield { started: id };
  }
  if (output) for await (const piece of followFrom(podium, place, signal)) yield { output: piece };
  yield { ended: await waitForJob(podium, id, signal) };
}

function goesOn(error: unknown, stood: boolean): boolean {
  if (error instanceof CallFailure && error.status === "UNIMPLEMENTED") return true;
  return isInterruption(error) && stood;
}
