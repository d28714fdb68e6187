import { type LoggerServer, type LogRequest, type LogResponse, LogStream } from "../../gen/podium.ts";
import type { StreamName } from "../../jobs/folder.ts";
import type { Caller, Jobs } from "../../jobs/jobs.ts";
import { type LogPiece, readLog } from "../../jobs/log-reader.ts";
import { type CallContext, type Send, streaming } from "../calls.ts";
import { inBand } from "../failures.ts";
import { logRangeOf } from "../log-range.ts";

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
    const { range, tellsStart } = await logRangeOf(job, request);
    if (tellsStart) {
      for (const [stream, offset] of Object.entries(range.from)) {
        await send(messageOf(request.id, { stream: stream as StreamName, offset, bytes: nothing, gap: 0, timeMs: 0 }));
      }
    }
    for await (const piece of readLog(job.folder, range, job.ended(signal), signal)) {
      if (!(await send(messageOf(request.id, piece)))) return;
    }
  } catch (error) {
    const value = inBand(error, request.id);
    if (value === null) throw error;
    await send({ response: { $case: "failure", value } });
  }
}

const nothing = Buffer.alloc(0);
const wireStreams = { stdout: LogStream.STDOUT, stderr: LogStream.STDERR } as const;

function messageOf(id: bigint, { stream, offset, bytes, gap, timeMs }: LogPiece): LogResponse {
  const place = { offset: BigInt(offset), gap: BigInt(gap), stream: wireStreams[stream] };
  const time = timeMs === 0 ? undefined : new Date(timeMs);
  const value = { id, stdout: nothing, stderr: nothing, [stream]: bytes, ...place, time };
  return { response: { $case: "success", value } };
}
