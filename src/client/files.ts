// Files to and from jobs, as tar streams.
import { once } from "node:events";
import { closeSync } from "node:fs";
import { basename, dirname } from "node:path";
import { type ClientWritableStream, Metadata, type MethodDefinition, type ServiceError } from "@grpc/grpc-js";
import { openFolder, packTree } from "../../sandbox/tree/pack.ts";
import { coalesced } from "../../sandbox/tree/pieces.ts";
import { FilesService, type PutRequest, type UploadRequest } from "../gen/podium.ts";
import { serverStream } from "./call.ts";
import { callFailure } from "./call-failure.ts";
import type { Podium } from "./connect.ts";

/** Hears how many bytes have gone so far. */
export type Progress = (bytes: number) => void;

export interface Packing {
  readonly note: (text: string) => void;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
}

/** Sends what is in a folder, for the work folder of one Start; gives the upload's id. Throws CallFailure, errors of files. */
export async function uploadFolder(podium: Podium, path: string, packing: Packing): Promise<string> {
  const tree = { folder: openFolder(path), name: "." };
  const { id } = await sendTree(podium, FilesService.upload, tree, [], (tar): UploadRequest => ({ tar }), packing);
  return id;
}

/** Where a copy goes in a job; `name` is "" when only what is in SRC is meant. */
export interface JobTarget {
  readonly id: bigint;
  readonly path: string;
  readonly name: string;
}

/** Copies a file or folder of this machine into a running job. Throws CallFailure, errors of files. */
export async function putFiles(podium: Podium, source: string, target: JobTarget, packing: Packing): Promise<void> {
  const isFolder = target.name === "" || /\/$/.test(source);
  const folder = openFolder(isFolder ? source : dirname(source));
  const name = isFolder ? "." : Buffer.from(basename(source)).toString("latin1");
  const open: PutRequest = { request: { $case: "open", value: target } };
  const wrap = (tar: Buffer): PutRequest => ({ request: { $case: "tar", value: tar } });
  await sendTree(podium, FilesService.put, { folder, name }, [open], wrap, packing);
}

type ClientStream<Request, Response> = Pick<
  MethodDefinition<Request, Response>,
  "path" | "requestSerialize" | "responseDeserialize"
>;

/** Packs `name` of an open folder, which is closed then, after the requests of `first`. */
async function sendTree<Request, Response extends { notes: string[] }>(
  podium: Podium,
  method: ClientStream<Request, Response>,
  { folder, name }: { readonly folder: number; readonly name: string },
  first: readonly Request[],
  wrap: (tar: Buffer) => Request,
  { note, progress, signal }: Packing,
): Promise<Response> {
  const { call, answered } = openStream(podium, method);
  const cancel = () => call.cancel();
  signal?.addEventListener("abort", cancel);
  try {
    const write = async (request: Request) => {
      if (!call.write(request)) await Promise.race([once(call, "drain"), answered]);
    };
    for (const request of first) await write(request);
    await sendPieces(packTree(folder, name, "files", note), (tar) => write(wrap(tar)), progress);
    call.end();
    const answer = await answered;
    for (const text of answer.notes) note(text);
    return answer;
  } catch (error) {
    call.cancel();
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", cancel);
    closeSync(folder);
  }
}

function openStream<Request, Response>(
  { client }: Podium,
  { path, requestSerialize, responseDeserialize }: ClientStream<Request, Response>,
): { call: ClientWritableStream<Request>; answered: Promise<Response> } {
  let answer: (error: ServiceError | null, response?: Response) => void = () => {};
  const answered = new Promise<Response>((resolve, reject) => {
    answer = (error, response) => (error === null ? resolve(response as Response) : reject(callFailure(error)));
  });
  answered.catch(() => {}); // whoever waits for it is told
  const call = client.makeClientStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    new Metadata(),
    {},
    (error: ServiceError | null, response?: Response) => answer(error, response),
  );
  call.on("error", () => {}); // told by the answer
  return { call, answered };
}

/** Each piece when the one before has been taken. */
async function sendPieces(
  pieces: Iterable<Buffer>,
  write: (tar: Buffer) => Promise<unknown>,
  progress: Progress,
): Promise<void> {
  let bytes = 0;
  for (const piece of coalesced(pieces)) {
    await write(piece);
    bytes += piece.length;
    progress(bytes);
  }
}

/** The tar stream of a job's file or folder. Throws CallFailure. */
export async function* filesOf(
  podium: Podium,
  id: bigint,
  path: string,
  note: (text: string) => void,
  signal?: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const { response } of serverStream(podium, FilesService.get, { id, path }, signal)) {
    if (response?.$case === "tar") yield response.value;
    else if (response?.$case === "note") note(response.value);
  }
}
