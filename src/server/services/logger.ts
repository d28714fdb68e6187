import { join } from "node:path";
import { type LoggerServer, type LogRequest, type LogResponse, LogStream } from "../../gen/podium.ts";
import { InvalidRequest } from "../../jobs/errors.ts";
import { type StreamName, streams } from "../../jobs/folder.ts";
import type { Job } from "../../jobs/job.ts";
import type { Caller, Jobs } from "../../jobs/jobs.ts";
import { readLog } from "../../jobs/log-reader.ts";
import type { StreamPiece } from "../../jobs/stream-file.ts";
import { tailOffset } from "../../jobs/tail.ts";
import { type CallContext, type Send, streaming } from "../calls.ts";
import { inBand } from "../failures.ts";

export function logger(jobs: Jobs, context: CallContext): LoggerServer {
  return {
    log: streaming(context, "Log", (caller, request: LogRequest, send: Send<LogResponse>, signal) =>
      log(jobs, caller, request, send, signal),
    ),
  };
}

async function log(
  jobs: Jobs,
  caller: Caller,
  request: LogRequest,
  send: Send<LogResponse>,
  signal: AbortSignal,
): Promise<void> {
  try {
    const job = jobs.find(caller, request.id);
    const wanted = await Promise.all(
      streamsOf(request).map(async (stream) => ({ stream, from: await startOf(job, request, stream) })),
    );
    await Promise.all(wanted.map(({ stream, from }) => pump(job, request, stream, from, send, signal)));
  } catch (error) {
    const value = inBand(error, request.id);
    if (value === null) throw error;
    await send({ response: { $case: "failure", value } });
  }
}

/** The two streams of a job flow beside each other in one call, each in its own order. */
async function pump(
  job: Job,
  request: LogRequest,
  stream: StreamName,
  offset: number,
  send: Send<LogResponse>,
  signal: AbortSignal,
) {
  const range = { offset, snapshot: request.snapshot };
  for await (const piece of readLog(join(job.folder, stream), range, job.ended(signal), signal)) {
    if (!(await send(messageOf(request.id, stream, piece)))) return;
  }
}

const nothing = Buffer.alloc(0);

const wireStreams = { stdout: LogStream.STDOUT, stderr: LogStream.STDERR } as const;

function messageOf(id: bigint, stream: StreamName, { offset, bytes, gap }: StreamPiece): LogResponse {
  const place = { offset: BigInt(offset), gap: BigInt(gap), stream: wireStreams[stream] };
  const value = { id, stdout: nothing, stderr: nothing, [stream]: bytes, ...place };
  return { response: { $case: "success", value } };
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

async function startOf(job: Job, request: LogRequest, stream: StreamName): Promise<number> {
  const field = `${stream}_offset`;
  const asked = stream === "stdout" ? request.stdoutOffset : request.stderrOffset;
  const { tailLines } = request;
  if (asked < 0n || asked > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new InvalidRequest(field, `${asked} is not an offset`, "offsets count bytes from 0");
  }
  if (tailLines === undefined) return Number(asked);
  if (tailLines < 0n) throw new InvalidRequest("tail_lines", `${tailLines} is not a number of lines`, "give 0 or more");
  if (asked > 0n) throw new InvalidRequest("tail_lines", "an offset is given too", "give one of them");
  const lines = tailLines > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(tailLines);
  return tailOffset(join(job.folder, stream), lines);
}
