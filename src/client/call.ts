// Calls as promises and async iterators, with AbortSignal. Everything thrown is a CallFailure, or the signal's reason.
import {
  type ClientDuplexStream,
  type ClientReadableStream,
  Metadata,
  type MethodDefinition,
  type ServiceError,
} from "@grpc/grpc-js";
import { callFailure } from "./call-failure.ts";
import type { Podium } from "./connect.ts";

type Method<Request, Response> = Pick<
  MethodDefinition<Request, Response>,
  "path" | "requestSerialize" | "responseDeserialize"
>;

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until DEADLINE_EXCEEDED; default: none. */
  readonly timeoutMs?: number;
}

/** For calls that a living server answers at once. */
export const promptMs = 60_000;

export async function unary<Request, Response>(
  { client }: Podium,
  { path, requestSerialize, responseDeserialize }: Method<Request, Response>,
  request: Request,
  { signal, timeoutMs }: CallOptions = {},
): Promise<Response> {
  signal?.throwIfAborted();
  const options = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
  let cancel = (): void => {};
  try {
    return await new Promise<Response>((resolve, reject) => {
      const answered = (error: ServiceError | null, response?: Response) =>
        error === null ? resolve(response as Response) : reject(failureOf(error, signal));
      const call = client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        new Metadata(),
        options,
        answered,
      );
      cancel = () => call.cancel();
      signal?.addEventListener("abort", cancel);
    });
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}

/** The messages of a server's stream, read from the network only as fast as they are taken. */
export async function* serverStream<Request, Response>(
  { client }: Podium,
  { path, requestSerialize, responseDeserialize }: Method<Request, Response>,
  request: Request,
  signal?: AbortSignal,
): AsyncGenerator<Response, void, undefined> {
  signal?.throwIfAborted();
  const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request);
  yield* messagesOf(call, signal);
}

/** A stream in both directions; whoever opens it reads `messagesOf` it to the end. */
export function duplex<Request, Response>(
  { client }: Podium,
  { path, requestSerialize, responseDeserialize }: Method<Request, Response>,
): ClientDuplexStream<Request, Response> {
  return client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
}

/** Ends the call when it is left early. */
export async function* messagesOf<Response>(
  call: ClientReadableStream<Response>,
  signal?: AbortSignal,
): AsyncGenerator<Response, void, undefined> {
  const cancel = () => call.cancel();
  signal?.addEventListener("abort", cancel);
  // grpc-js tells the cancellation as an error event, also when nobody reads any more.
  call.on("error", () => {});
  try {
    for await (const message of call) yield message as Response;
  } catch (error) {
    throw failureOf(error as ServiceError, signal);
  } finally {
    signal?.removeEventListener("abort", cancel);
    cancel();
  }
}

function failureOf(error: ServiceError, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  return typeof error.code === "number" ? callFailure(error) : error;
}
