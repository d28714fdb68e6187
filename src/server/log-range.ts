// From a LogRequest to what is to be read: offsets, last lines and times come down to one offset for each stream.
import { join } from "node:path";
import { type LogRequest, LogStream } from "../gen/podium.ts";
import { InvalidRequest } from "../jobs/errors.ts";
import { type StreamName, streams } from "../jobs/folder.ts";
import type { Job } from "../jobs/job.ts";
import { progressBefore } from "../jobs/log-index.ts";
import type { LogRange } from "../jobs/log-reader.ts";
import { tailOffset } from "../jobs/tail.ts";

type Offsets = Readonly<Record<StreamName, number>>;

/** `tellsStart`: the client cannot know where the streams begin. Throws InvalidRequest. */
export async function logRangeOf(
  job: Job,
  request: LogRequest,
): Promise<{ readonly range: LogRange; readonly tellsStart: boolean }> {
  const { snapshot, timestamps: timed, tailLines } = request;
  const sinceMs = momentOf("since", request.since, request.sinceAgoMs);
  const untilMs = momentOf("until", request.until, request.untilAgoMs);
  const times = {
    from: sinceMs === undefined ? undefined : progress(job, sinceMs),
    to: untilMs === undefined ? undefined : progress(job, untilMs + 1),
  };
  const from: Partial<Record<StreamName, number>> = {};
  for (const stream of streamsOf(request)) from[stream] = await startOf(job, request, stream, times);
  const range = { from, snapshot, timed, ...(untilMs !== undefined && { untilMs }) };
  return { range, tellsStart: tailLines !== undefined || sinceMs !== undefined };
}

function streamsOf({ stream }: LogRequest): readonly StreamName[] {
  switch (stream) {
    case LogStream.UNSPECIFIED:
      return streams;
    case LogStream.STDOUT:
      return ["stdout"];
    case LogStream.STDERR:
      return ["stderr"];
    default:
      throw new InvalidRequest("stream", `${stream} is not a stream`, "ask for stdout, stderr or both");
  }
}

/** Milliseconds since the epoch. */
function momentOf(field: string, at: Date | undefined, agoMs: bigint | undefined): number | undefined {
  if (at !== undefined && agoMs !== undefined) {
    throw new InvalidRequest(`${field}_ago_ms`, `${field} is given too`, "give one of them");
  }
  if (agoMs === undefined) return at?.getTime();
  if (agoMs < 0n) throw new InvalidRequest(`${field}_ago_ms`, `${agoMs} is not a time ago`, "give 0 or more");
  return Date.now() - Number(agoMs);
}

function progress(job: Job, timeMs: number): Offsets {
  const offsets = progressBefore(job.folder, timeMs);
  if (offsets !== null) return offsets;
  if (job.startedAtMs === 0) return { stdout: 0, stderr: 0 }; // it never wrote anything
  throw new Error(`job ${job.id} has lost the index of its output to a full disk: its times are not known`);
}

async function startOf(
  job: Job,
  request: LogRequest,
  stream: StreamName,
  times: { readonly from: Offsets | undefined; readonly to: Offsets | undefined },
): Promise<number> {
  const field = `${stream}_offset`;
  const asked = stream === "stdout" ? request.stdoutOffset : request.stderrOffset;
  const { tailLines } = request;
  if (asked < 0n || asked > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new InvalidRequest(field, `${asked} is not an offset`, "offsets count bytes from 0");
  }
  const earliest = Math.max(Number(asked), times.from?.[stream] ?? 0);
  if (tailLines === undefined) return earliest;
  if (tailLines < 0n) throw new InvalidRequest("tail_lines", `${tailLines} is not a number of lines`, "give 0 or more");
  if (asked > 0n) throw new InvalidRequest("tail_lines", "an offset is given too", "give one of them");
  const lines = tailLines > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(tailLines);
  return Math.max(earliest, await tailOffset(join(job.folder, stream), lines, times.to?.[stream]));
}
