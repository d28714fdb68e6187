// Files to and from jobs, as tar streams.
import { once } from "node:events";
import { closeSync } from "node:fs";
import { Metadata, type ServiceError } from "@grpc/grpc-js";
import { topOf } from "../../sandbox/tree/landing.ts";
import { openFolder, packTree } from "../../sandbox/tree/pack.ts";
import { coalesced } from "../../sandbox/tree/pieces.ts";
import { FilesService, type UploadResponse } from "../gen/podium.ts";
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
  const folder = openFolder(path);
  const { path: method, requestSerialize, responseDeserialize } = FilesService.upload;
  let answer: (error: ServiceError | null, response?: UploadResponse) => void = () => {};
  const answered = new Promise<UploadResponse>((resolve, reject) => {
    answer = (error, response) => (error === null ? resolve(response as UploadResponse) : reject(callFailure(error)));
  });
  answered.catch(() => {}); // told below
  const call = podium.client.makeClientStreamRequest(
    method,
    requestSerialize,
    responseDeserialize,
    new Metadata(),
    {},
    (error: ServiceError | null, response?: UploadResponse) => answer(error, response),
  );
  const cancel = () => call.cancel();
  packing.signal?.addEventListener("abort", cancel);
  try {
    const write = async (tar: Buffer) => {
      if (!call.write({ tar })) await Promise.race([once(call, "drain"), answered]);
    };
    await sendPieces(packTree(folder, ".", topOf(path).name, packing.note), write, packing.progress);
    call.end();
    const { id, notes } = await answered;
    for (const note of notes) packing.note(note);
    return id;
  } catch (error) {
    call.cancel();
    packing.signal?.throwIfAborted();
    throw error;
  } finally {
    packing.signal?.removeEventListener("abort", cancel);
    closeSync(folder);
  }
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
