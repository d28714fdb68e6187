// The output of a job: what there is, or all of it as it comes.
import { type LogRequest, LogRequest as LogRequestMessage, LogStream, type LogSuccess } from "../gen/podium.ts";
import { serverStream } from "./call.ts";
import { successOf } from "./call-failure.ts";
import type { Podium } from "./connect.ts";
import { logMethod } from "./log-message.ts";
import { Patience } from "./resume.ts";

export type StreamName = "stdout" | "stderr";

/** `offset` is where in its stream the piece begins, in bytes. */
export interface LogPiece {
  readonly stream: StreamName;
  readonly offset: bigint;
  readonly bytes: Buffer;
  /** Bytes just before `offset` that the job's output limit has freed; of such a piece `bytes` may be empty. */
  readonly gap: bigint;
  /** When it was written; only with `timestamps`, and where it is known. */
  readonly time: Date | undefined;
}

/** A point in time, or so many milliseconds before the server's now. */
export type Moment = Date | { readonly agoMs: number };

export interface LogSelection {
  /** Default: both. */
  readonly stream?: StreamName | undefined;
  /** Byte of each stream to begin with; default 0. Not together with `tailLines`. */
  readonly offset?: bigint | undefined;
  /** So many lines before the present end of each stream. */
  readonly tailLines?: bigint | undefined;
  /** Nothing that was written before. */
  readonly since?: Moment | undefined;
  /** Nothing that was written later. */
  readonly until?: Moment | undefined;
  /** Tell of each piece when it was written. */
  readonly timestamps?: boolean | undefined;
}

/** Output up to now. Throws JobFailure, CallFailure. */
export async function* logsOf(
  podium: Podium,
  id: bigint,
  selection: LogSelection = {},
  signal?: AbortSignal,
): AsyncGenerator<LogPiece, void, undefined> {
  for await (const piece of pieces(podium, { ...requestOf(id, selection), snapshot: true }, signal)) {
    if (tells(piece)) yield piece;
  }
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
  yield* followFrom(podium, new Place(id, selection), signal);
}

/** The same from where a reader is. */
export async function* followFrom(
  podium: Podium,
  place: Place,
  signal?: AbortSignal,
): AsyncGenerator<LogPiece, void, undefined> {
  const patience = new Patience(podium);
  for (;;) {
    try {
      for await (const piece of pieces(podium, place.request(), signal)) {
        patience.progress();
        place.take(piece);
        if (tells(piece)) yield piece;
      }
      return;
    } catch (error) {
      await patience.afterFailure(error, signal);
    }
  }
}

/** Where a reader is in each stream: the request that goes on there. */
export class Place {
  readonly #id: bigint;
  readonly #selection: LogSelection;
  readonly #askedAt = performance.now();
  #next: Partial<Record<StreamName, bigint>>;

  constructor(id: bigint, selection: LogSelection = {}) {
    const { tailLines, since, offset = 0n } = selection;
    this.#id = id;
    this.#selection = selection;
    // Else the server says where the streams begin, before anything else.
    this.#next = tailLines === undefined && since === undefined ? { stdout: offset, stderr: offset } : {};
  }

  take({ stream, offset, bytes }: LogPiece): void {
    this.#next = { ...this.#next, [stream]: offset + BigInt(bytes.length) };
  }

  request(): LogRequest {
    const { stream, until, timestamps } = this.#selection;
    const { stdout, stderr } = this.#next;
    const known = (stream === "stderr" || stdout !== undefined) && (stream === "stdout" || stderr !== undefined);
    const waitedMs = Math.floor(performance.now() - this.#askedAt);
    if (!known) return requestOf(this.#id, this.#selection, waitedMs);
    const rest = requestOf(this.#id, { stream, until, timestamps }, waitedMs);
    return { ...rest, stdoutOffset: stdout ?? 0n, stderrOffset: stderr ?? 0n };
  }
}

/** Not only where its stream begins. */
function tells({ bytes, gap }: LogPiece): boolean {
  return bytes.length > 0 || gap > 0n;
}

async function* pieces(podium: Podium, request: LogRequest, signal?: AbortSignal): AsyncGenerator<LogPiece> {
  for await (const { response } of serverStream(podium, logMethod, request, signal)) {
    yield pieceOf(successOf(response));
  }
}

export function pieceOf({ stdout, stderr, offset, gap, time, stream: wireStream }: LogSuccess): LogPiece {
  const stream = stderr.length > 0 || wireStream === LogStream.STDERR ? "stderr" : "stdout";
  return { stream, offset, bytes: stream === "stdout" ? stdout : stderr, gap, time };
}

const wireStreams = { stdout: LogStream.STDOUT, stderr: LogStream.STDERR } as const;

/** `waitedMs`: how long ago what is so many milliseconds ago was said. */
function requestOf(id: bigint, selection: LogSelection, waitedMs = 0): LogRequest {
  const { stream, offset = 0n, tailLines, since, until, timestamps = false } = selection;
  const ago = (moment: Moment | undefined) =>
    moment === undefined || moment instanceof Date ? undefined : BigInt(Math.floor(moment.agoMs) + waitedMs);
  const at = (moment: Moment | undefined) => (moment instanceof Date ? moment : undefined);
  return {
    ...LogRequestMessage.create({ id }),
    // A stream that is not asked for has no offset.
    stdoutOffset: stream === "stderr" ? 0n : offset,
    stderrOffset: stream === "stdout" ? 0n : offset,
    stream: stream === undefined ? LogStream.UNSPECIFIED : wireStreams[stream],
    tailLines,
    since: at(since),
    sinceAgoMs: ago(since),
    until: at(until),
    untilAgoMs: ago(until),
    timestamps,
  };
}
