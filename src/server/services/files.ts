import type { Readable } from "node:stream";
import type { handleClientStreamingCall, ServerReadableStream } from "@grpc/grpc-js";
import {
  type FilesServer,
  type GetRequest,
  GetResponse,
  type PutRequest,
  type PutResponse,
  type UploadRequest,
  type UploadResponse,
} from "../../gen/podium.ts";
import { Interrupted, InvalidRequest } from "../../jobs/errors.ts";
import type { Caller, Jobs } from "../../jobs/jobs.ts";
import type { FilePiece } from "../../jobs/kept-files.ts";
import { type CallContext, callEnd, callerOf, type Send, streaming, told } from "../calls.ts";
import { FramedMessages } from "../framed.ts";

/** GetResponse.tar of proto/podium.proto. */
const tarField = 1;

export function filesService(jobs: Jobs, context: CallContext): FilesServer {
  return {
    upload: clientStreaming(context, "Upload", async (caller, call: UploadCall, signal) => {
      const uploaded = await jobs.files.upload(caller, tarOf(call, signal));
      return { ...told64(uploaded), id: uploaded.id };
    }),
    get: streaming(context, "Get", (caller, request: GetRequest, send: Send<GetResponse>, signal) =>
      get(jobs, caller, request, send, signal),
    ),
    put: clientStreaming(context, "Put", (caller, call: PutCall, signal) => put(jobs, caller, call, signal)),
  };
}

type UploadCall = ServerReadableStream<UploadRequest, UploadResponse>;
type PutCall = ServerReadableStream<PutRequest, PutResponse>;

/**
 * Requests as they are asked for: what is not, the client keeps. A client that goes ends nothing by itself: the stream would be
 * waited for as long as the server lives.
 */
async function* requestsOf<T>(call: Readable, signal: AbortSignal): AsyncGenerator<T, void, undefined> {
  const leave = () => call.destroy(new Interrupted());
  signal.addEventListener("abort", leave);
  try {
    signal.throwIfAborted();
    // A call whose stream is destroyed is cancelled, and its answer lost: who has had enough of it just reads no further.
    for await (const request of call.iterator({ destroyOnReturn: false })) yield request as T;
  } finally {
    signal.removeEventListener("abort", leave);
  }
}

async function* tarOf(call: UploadCall, signal: AbortSignal): AsyncGenerator<Buffer> {
  for await (const { tar } of requestsOf<UploadRequest>(call, signal)) yield tar;
}

async function put(jobs: Jobs, caller: Caller, call: PutCall, signal: AbortSignal): Promise<PutResponse> {
  const requests = requestsOf<PutRequest>(call, signal);
  const { value: first } = await requests.next();
  if (first?.request?.$case !== "open") throw new InvalidRequest("open", "the first request of Put must be open");
  const { id, path, name } = first.request.value;
  return told64(await jobs.files.write(caller, id, { path, name }, tarIn(requests), signal));
}

async function* tarIn(requests: AsyncIterable<PutRequest>): AsyncGenerator<Buffer> {
  for await (const { request } of requests) {
    if (request?.$case !== "tar") throw new InvalidRequest("open", "Put is open already");
    yield request.value;
  }
}

function told64({ bytes, entries, notes }: { bytes: number; entries: number; notes: readonly string[] }): PutResponse {
  return { bytes: BigInt(bytes), entries: BigInt(entries), notes: [...notes] };
}

/** A client-streaming handler from an async function. */
function clientStreaming<Request, Response>(
  context: CallContext,
  name: string,
  work: (caller: Caller, call: ServerReadableStream<Request, Response>, signal: AbortSignal) => Promise<Response>,
): handleClientStreamingCall<Request, Response> {
  return (call, callback) => {
    const answer = async () => {
      using end = callEnd(call, context);
      return await work(callerOf(call, context), call, end.signal);
    };
    answer().then(
      (response) => callback(null, response),
      (error) => callback(told(context, name, error)),
    );
  };
}

async function get(
  jobs: Jobs,
  caller: Caller,
  { id, path }: GetRequest,
  send: Send<GetResponse>,
  signal: AbortSignal,
): Promise<void> {
  const messages = new FramedMessages(send);
  try {
    for await (const piece of jobs.files.read(caller, id, path, signal)) {
      if (!(await sendPiece(messages, piece))) return;
    }
  } finally {
    await messages.written();
  }
}

function sendPiece(messages: FramedMessages, piece: FilePiece): Promise<boolean> {
  if ("tar" in piece) return messages.sendBytes(tarField, piece.tar);
  return messages.sendEncoded(GetResponse.encode({ response: { $case: "note", value: piece.note } }).finish());
}
