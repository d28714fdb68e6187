// The server's side of a copy process (protocol.ts).
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { type Frame, FrameReader } from "../frames.ts";
import { bundledProgram, nodeFlags } from "../zygote/client.ts";
import { type CopyDone, type CopyFailed, CopyFrame, type CopyRequest } from "./protocol.ts";

/** The copy did not come to its end. */
export class CopyError extends Error {
  override readonly name = "CopyError";
  readonly failure: CopyFailed;

  constructor(failure: CopyFailed) {
    super(failure.message);
    this.failure = failure;
  }
}

/** What a copy process says while it works; `done` is last. */
export type CopyEvent = { readonly tar: Buffer } | { readonly note: string } | { readonly done: CopyDone };

/**
 * Runs one copy. `input` is the tar stream of a write. Leaving the generator early, and the signal, end the process. Throws
 * CopyError.
 */
export async function* copy(
  request: CopyRequest,
  input: AsyncIterable<Buffer> | null,
  signal: AbortSignal,
): AsyncGenerator<CopyEvent, void, undefined> {
  const child = spawn(process.execPath, [...nodeFlags, bundledProgram("copy.cjs"), JSON.stringify(request)], {
    cwd: "/",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    stdio: ["pipe", "pipe", "inherit"],
    signal,
  });
  child.on("error", () => {}); // its output ends, which is told
  const failed = feed(child, input);
  try {
    for await (const frame of framesOf(child.stdout as Readable)) {
      const event = eventOf(frame);
      yield event;
      if ("done" in event) return;
    }
    signal.throwIfAborted();
    throw (await failed) ?? new CopyError({ kind: "step", code: "", message: "the copy process was killed" });
  } finally {
    child.stdin?.destroy();
    child.stdout?.destroy();
    child.kill("SIGKILL");
  }
}

/** Resolves with what the source itself failed with. The process may end before it has taken all. */
async function feed({ stdin }: ChildProcess, input: AsyncIterable<Buffer> | null): Promise<unknown> {
  if (stdin === null) return null;
  stdin.on("error", () => {});
  try {
    for await (const piece of input ?? []) {
      if (stdin.destroyed) return null;
      if (!stdin.write(piece)) await Promise.race([once(stdin, "drain"), once(stdin, "close")]);
    }
    stdin.end();
    return null;
  } catch (error) {
    stdin.destroy();
    return error;
  }
}

async function* framesOf(stdout: Readable): AsyncGenerator<Frame> {
  const reader = new FrameReader();
  for await (const chunk of stdout) {
    reader.push(chunk as Buffer);
    for (let frame = reader.next(); frame !== null; frame = reader.next()) {
      yield frame;
    }
  }
}

function eventOf({ type, payload }: Frame): CopyEvent {
  if (type === CopyFrame.tar) return { tar: payload };
  if (type === CopyFrame.note) return { note: payload.toString() };
  if (type === CopyFrame.done) return { done: JSON.parse(payload.toString()) as CopyDone };
  throw new CopyError(JSON.parse(payload.toString()) as CopyFailed);
}
