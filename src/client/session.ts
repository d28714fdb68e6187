// Feeding a job's stdin.
import { once } from "node:events";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import { type AttachRequest, type AttachResponse, SessionService } from "../gen/podium.ts";
import { duplex, messagesOf } from "./call.ts";
import type { Podium } from "./connect.ts";

type Call = ClientDuplexStream<AttachRequest, AttachResponse>;

/** Attach takes at most 1 MiB at a time; smaller pieces keep the flow control fine. */
const largestPiece = 64 * 1024;

/**
 * Gives a job that was started with `stdin` all of `source`, then end-of-file. Reads no more of `source` than the job takes.
 * Resolves when everything is handed over or the job reads no more. Throws CallFailure; what part of the input had reached
 * the job when a connection was lost nobody can know, so that is not tried again.
 */
export async function feedStdin(
  podium: Podium,
  id: bigint,
  source: AsyncIterable<Buffer>,
  signal?: AbortSignal,
): Promise<void> {
  const done = new AbortController();
  const call = duplex(podium, SessionService.attach);
  const answers = messagesOf(call, signal)[Symbol.asyncIterator]();
  try {
    call.write({ request: { $case: "open", value: { id } } });
    await opened(answers);
    const over = untilOver(answers).finally(() => done.abort());
    await Promise.race([pump(call, source, done.signal), over]);
    await over;
  } finally {
    done.abort();
    call.cancel();
  }
}

async function opened(answers: AsyncIterator<AttachResponse>): Promise<void> {
  const { value, done } = await answers.next();
  if (done === true || value?.response?.$case !== "opened") throw new Error("the server did not open the session");
}

/** The end of the job, of its interest in stdin, or of the call. */
async function untilOver(answers: AsyncIterator<AttachResponse>): Promise<void> {
  for (let answer = await answers.next(); answer.done !== true; answer = await answers.next()) {
    const kind = answer.value.response?.$case;
    if (kind === "stdinClosed" || kind === "ended") return;
  }
}

/** Also when `source` fails the job sees an end-of-file: it would wait for ever else. */
async function pump(call: Call, source: AsyncIterable<Buffer>, done: AbortSignal): Promise<void> {
  try {
    for await (const chunk of source) {
      for (let start = 0; start < chunk.length; start += largestPiece) {
        await send(call, { $case: "stdin", value: chunk.subarray(start, start + largestPiece) }, done);
        if (done.aborted) return;
      }
    }
  } finally {
    await send(call, { $case: "stdinEnd", value: {} }, done);
  }
}

/** `write` answering false means that the server is behind, because the job is. */
async function send(call: Call, request: AttachRequest["request"], done: AbortSignal): Promise<void> {
  if (done.aborted || call.write({ request })) return;
  await once(call, "drain", { signal: done }).catch(() => {}); // aborted: nobody reads any more
}
