import type { LoggerServer, LogRequest, LogResponse } from "../../gen/podium.ts";
import type { StreamName } from "../../jobs/folder.ts";
import type { Job } from "../../jobs/job.ts";
import type { Caller, Jobs } from "../../jobs/jobs.ts";
import { type LogPiece, type LogRange, readLog } from "../../jobs/log-reader.ts";
import { type CallContext, type Send, streaming } from "../calls.ts";
import { inBand } from "../failures.ts";
import { FramedMessages } from "../framed.ts";
import { mostBytesOf, writeLogMessage } from "../log-message.ts";
import { logRangeOf } from "../log-range.ts";

const nothing = Buffer.alloc(0);

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
  const messages = new FramedMessages(send);
  try {
    const job = jobs.find(caller, request.id);
    const { range, tellsStart } = await logRangeOf(job, request);
    if (tellsStart && !(await sendPieces(messages, job.id, beginnings(range)))) return;
    await sendLog(messages, job, range, signal);
  } catch (error) {
    await messages.written();
    const value = inBand(error, request.id);
    if (value === null) throw error;
    await send({ response: { $case: "failure", value } });
  }
}

/** Resolves at the end of what is wanted, all of it written, or when the client has gone. */
export async function sendLog(messages: FramedMessages, job: Job, range: LogRange, signal: AbortSignal): Promise<void> {
  for await (const pieces of readLog(job.folder, range, job.ended(signal), signal)) {
    if (!(await sendPieces(messages, job.id, pieces))) return;
  }
  await messages.written();
}

/** Where each stream begins, which the client cannot know. */
function beginnings({ from }: LogRange): LogPiece[] {
  return Object.entries(from).map(([stream, offset]) => ({
    stream: stream as StreamName,
    offset,
    bytes: nothing,
    gap: 0,
    timeMs: 0,
  }));
}

/** Waits while the client is behind; false: it is gone. */
async function sendPieces(messages: FramedMessages, job: number, pieces: readonly LogPiece[]): Promise<boolean> {
  for (const piece of pieces) {
    const most = mostBytesOf(piece);
    if (!messages.hasRoom(most) && !(await messages.room(most))) return false;
    messages.add((target, at) => writeLogMessage(target, at, job, piece));
  }
  messages.flush();
  return true;
}
