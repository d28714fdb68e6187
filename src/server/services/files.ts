import type { ServerReadableStream } from "@grpc/grpc-js";
import type { FilesServer, GetRequest, GetResponse, UploadRequest, UploadResponse } from "../../gen/podium.ts";
import { Interrupted } from "../../jobs/errors.ts";
import type { FilePiece } from "../../jobs/job-files.ts";
import type { Caller, Jobs } from "../../jobs/jobs.ts";
import { type CallContext, callEnd, callerOf, type Send, streaming, told } from "../calls.ts";

export function filesService(jobs: Jobs, context: CallContext): FilesServer {
  return {
    upload: (call, callback) => {
      const answer = async () => {
        using end = callEnd(call, context);
        const uploaded = await jobs.files.upload(callerOf(call, context), tarOf(call, end.signal));
        if (context.ending.aborted && !end.gone) throw new Interrupted();
        return response(uploaded);
      };
      answer().then(
        (uploaded) => callback(null, uploaded),
        (error) => callback(told(context, "Upload", error)),
      );
    },
    get: streaming(context, "Get", (caller, request: GetRequest, send: Send<GetResponse>) =>
      get(jobs, caller, request, send),
    ),
  };
}

/**
 * The pieces as they are asked for: what is not, the client keeps. A client that goes ends nothing by itself: the stream would
 * be waited for as long as the server lives.
 */
async function* tarOf(
  call: ServerReadableStream<UploadRequest, UploadResponse>,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const leave = () => call.destroy(new Interrupted());
  signal.addEventListener("abort", leave);
  try {
    signal.throwIfAborted();
    for await (const { tar } of call as AsyncIterable<UploadRequest>) yield tar;
  } finally {
    signal.removeEventListener("abort", leave);
  }
}

function response({ id, bytes, entries, notes }: Awaited<ReturnType<Jobs["files"]["upload"]>>): UploadResponse {
  return { id, bytes: BigInt(bytes), entries: BigInt(entries), notes: [...notes] };
}

async function get(jobs: Jobs, caller: Caller, { id, path }: GetRequest, send: Send<GetResponse>): Promise<void> {
  for await (const piece of jobs.files.read(caller, id, path)) {
    if (!(await send({ response: wirePiece(piece) }))) return;
  }
}

function wirePiece(piece: FilePiece): GetResponse["response"] {
  return "tar" in piece ? { $case: "tar", value: piece.tar } : { $case: "note", value: piece.note };
}
