// The output of a job: what there is, or all of it as it comes.
import { LoggerService, type LogRequest, LogRequest as LogRequestMessage, LogStream } from "../gen/podium.ts";
import { serverStream } from "./call.ts";
import { successOf } from "./call-failure.ts";
import type { Podium } from "./connect.ts";
import { Patience } from "./resume.ts";

export type StreamName = "stdout" | "stderr";

/** `offset` is where in its stream the piece begins, in bytes. */
export interface LogPiece {
  readonly stream: StreamName;
  readonly offset: bigint;
  readonly bytes: Buffer;
  /** Bytes just before `offset` that the job's output limit has freed; of such a piece `bytes` may be empty. */
  readonly gap: bigint;
}

export interface LogSelection {
  /** Default: both. */
  readonly stream?: StreamName | undefined;
  /** Byte of each stream to begin with; default 0. Not together with `tailLines`. */
  readonly offset?: bigint | undefined;
  /** So many lines before the present end of each stream. */
  readonly tailLines?: bigint | undefined;
}

/** Output up to now. Throws JobFailure, CallFailure. */
export async function* logsOf(
  podium: Podium,
  id: bigint,
  selection: LogSelection = {},
  signal?: AbortSignal,
): AsyncGenerator<LogPiece, void, undefined> {
  yield* pieces(podium, { ...requestOf(id, selection), snapshot: true }, signal);
}

/**
 * Output to the end of the job. Goes on by itself, at the byte where it was, when a connection that stood is lost; throws
 * ConnectionLost when it does not come back. Throws JobFailure and CallFailure like `logsOf`.
 */
export async function* followLogs(
  podium: Podium,
  id: bigint,
  selection: LogSelection = {},
  signal?: AbortSignal,
): AsyncGenerator<LogPiece, void, undefined> {
  const next = { stdout: selection.offset ?? 0n, stderr: selection.offset ?? 0n };
  if (selection.tailLines !== undefined) {
    for await (const piece of tail(podium, id, selection, selection.tailLines, signal)) {
      next[piece.stream] = endOf(piece);
      if (selection.tailLines > 0n) yield piece;
    }
  }
  const patience = new Patience(podium);
  for (;;) {
    try {
      const request = { ...requestOf(id, { stream: selection.stream }), ...offsetsOf(next, selection) };
      for await (const piece of pieces(podium, request, signal)) {
        patience.progress();
        next[piece.stream] = endOf(piece);
        yield piece;
      }
      return;
    } catch (error) {
      await patience.afterFailure(error, signal);
    }
  }
}

/**
 * The last lines, as a call of its own: from then on the position in each stream is a number, which can be resumed at.
 * Of 0 lines one is read, and thrown away by the caller, for the sake of its offset.
 */
function tail(podium: Podium, id: bigint, { stream }: LogSelection, lines: bigint, signal?: AbortSignal) {
  return logsOf(podium, id, { stream, tailLines: lines > 0n ? lines : 1n }, signal);
}

async function* pieces(podium: Podium, request: LogRequest, signal?: AbortSignal): AsyncGenerator<LogPiece> {
  for await (const { response } of serverStream(podium, LoggerService.log, request, signal)) {
    const { stdout, stderr, offset, gap, stream: wireStream } = successOf(response);
    if (stdout.length + stderr.length === 0 && gap === 0n) continue;
    const stream = stderr.length > 0 || wireStream === LogStream.STDERR ? "stderr" : "stdout";
    yield { stream, offset, bytes: stream === "stdout" ? stdout : stderr, gap };
  }
}

function endOf({ offset, bytes }: LogPiece): bigint {
  return offset + BigInt(bytes.length);
}

const wireStreams = { stdout: LogStream.STDOUT, stderr: LogStream.STDERR } as const;

function requestOf(id: bigint, selection: LogSelection): LogRequest {
  const { stream, offset = 0n, tailLines } = selection;
  return {
    ...LogRequestMessage.create({ id }),
    ...offsetsOf({ stdout: offset, stderr: offset }, selection),
    stream: stream === undefined ? LogStream.UNSPECIFIED : wireStreams[stream],
    tailLines,
  };
}

/** A stream that is not asked for has no offset. */
function offsetsOf(next: Record<StreamName, bigint>, { stream }: LogSelection) {
  return {
    stdoutOffset: stream === "stderr" ? 0n : next.stdout,
    stderrOffset: stream === "stdout" ? 0n : next.stderr,
  };
}
