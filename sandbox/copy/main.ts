// The copy process; see protocol.ts. Started as host root; its child enters the job and does the work, it waits for the child.
import { basename, dirname } from "node:path";
import { encodeFrame, encodeJson } from "../frames.ts";
import { joinPidNamespace, openTarget } from "../setup/join.ts";
import { StepError } from "../setup/step.ts";
import { read, write } from "../sys/descriptors.ts";
import { POLLIN, POLLOUT, PollSet } from "../sys/poll.ts";
import { exitNow, exitOf, fork, setUndumpable, waitFor } from "../sys/process.ts";
import { postFirstTask } from "../sys/v8-tasks.ts";
import { landingOf, topOf } from "../tree/landing.ts";
import { openFolder, packTree } from "../tree/pack.ts";
import { coalesced } from "../tree/pieces.ts";
import { TarError } from "../tree/tar.ts";
import { TooMuch, Unpacker } from "../tree/unpack.ts";
import { becomeJob } from "./enter.ts";
import { type CopyDone, type CopyFailed, CopyFrame, type CopyRequest } from "./protocol.ts";

const [input, output] = [0, 1];
const chunkBytes = 64 << 10;

/** Nobody listens any more. */
class Unheard extends Error {}

function waitUntil(fd: number, events: number): void {
  const set = new PollSet();
  set.add(fd, events);
  set.wait(-1);
}

function send(frame: Buffer): void {
  for (let rest = frame; rest.length > 0; ) {
    const result = write(output, rest);
    if (result === "closed") throw new Unheard();
    if (result === "blocked") waitUntil(output, POLLOUT);
    else rest = rest.subarray(result.written);
  }
}

const note = (text: string): void => send(encodeFrame(CopyFrame.note, Buffer.from(text)));

/** `path` in the job; links on the way to it are the job's and lead where the job may go. */
function readOut(path: string): CopyDone {
  const { name, onlyContents } = topOf(path);
  const isWhole = onlyContents || /\/$/.test(path);
  const folder = openFolder(isWhole ? path : dirname(path));
  const top = isWhole ? "." : Buffer.from(basename(path)).toString("latin1");
  let bytes = 0;
  for (const piece of coalesced(packTree(folder, top, Buffer.from(name).toString("latin1"), note))) {
    bytes += piece.length;
    send(encodeFrame(CopyFrame.tar, piece));
  }
  return { bytes, entries: 0 };
}

function writeIn(action: CopyRequest["action"] & { kind: "write" }): CopyDone {
  const { path, name, onlyContents, maxBytes, maxEntries } = action;
  // A byte string of what was typed: landing paths are text, the last name in the stream need not be.
  const landing = landingOf(path, name, onlyContents);
  const top = landing.top === name ? name : Buffer.from(landing.top).toString("latin1");
  const unpacker = new Unpacker({ folder: landing.folder, top, links: "any", maxBytes, maxEntries, note });
  const chunk = Buffer.allocUnsafe(chunkBytes);
  for (let n = read(input, chunk); n !== 0; n = read(input, chunk)) {
    if (n === null) waitUntil(input, POLLIN);
    else unpacker.push(chunk.subarray(0, n));
  }
  unpacker.finish();
  return { bytes: unpacker.bytes, entries: unpacker.entries };
}

function failureOf(error: unknown): CopyFailed {
  if (error instanceof StepError) return { kind: "step", code: error.failure.errno, message: error.message };
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof TooMuch) return { kind: "too-much", code: "", message };
  if (error instanceof TarError) return { kind: "stream", code: "", message };
  return { kind: "file", code: code ?? "", message };
}

function work(request: CopyRequest): CopyDone {
  const { action } = request;
  return action.kind === "read" ? readOut(action.path) : writeIn(action);
}

/** Runs `body` and tells what came of it. */
function told(body: () => CopyDone | null): number {
  try {
    const done = body();
    if (done !== null) send(encodeJson(CopyFrame.done, done));
    return 0;
  } catch (error) {
    if (!(error instanceof Unheard)) send(encodeJson(CopyFrame.failed, failureOf(error)));
    return 1;
  }
}

function main(): never {
  postFirstTask();
  setUndumpable();
  const request = JSON.parse(process.argv[2] ?? "") as CopyRequest;
  const code = told(() => {
    const target = openTarget(request);
    joinPidNamespace(target);
    const child = fork();
    if (child === 0) {
      exitNow(
        told(() => {
          becomeJob(target, request);
          return work(request);
        }),
      );
    }
    if (exitOf(waitFor(child)) === null) throw new StepError({ step: "copy", errno: "", message: "it was killed" });
    return null;
  });
  return exitNow(code);
}

main();
