// The exec process; see protocol.ts. Started as host root; its child enters the job and becomes the command.
import { encodeJson, FrameReader } from "../frames.ts";
import { Command } from "../init/command.ts";
import { Pipes } from "../init/streams.ts";
import { user } from "../program-request.ts";
import { joinPidNamespace, openTarget, type Target } from "../setup/join.ts";
import { StepError, step } from "../setup/step.ts";
import { close, read, setNonBlocking, write } from "../sys/descriptors.ts";
import { exitNow, setUndumpable } from "../sys/process.ts";
import { postFirstTask } from "../sys/v8-tasks.ts";
import { lookUpUser } from "./account.ts";
import { becomeFurtherCommand } from "./command.ts";
import { AskType, type ExecRequest, TellType } from "./protocol.ts";
import { asking, feeding, Relay, telling } from "./relay.ts";

const chunkBytes = 64 << 10;

/** Waits for it. When the server has gone, nobody wants the command. */
function receiveRequest(frames: FrameReader): ExecRequest {
  const chunk = Buffer.allocUnsafe(chunkBytes);
  for (;;) {
    const frame = frames.next();
    if (frame?.type === AskType.request) return JSON.parse(frame.payload.toString());
    const n = read(asking, chunk);
    if (n === 0) exitNow(0);
    if (n !== null) frames.push(Buffer.from(chunk.subarray(0, n)));
  }
}

/** With the ids of a user that was named. */
function resolved(request: ExecRequest, target: Target): ExecRequest {
  const { named, spec } = request;
  if (named === undefined) return request;
  const ids = lookUpUser(target, request, named, telling);
  return { ...request, spec: { ...spec, user: step("user", () => user(ids)) } };
}

function open(asked: ExecRequest, frames: FrameReader): Relay {
  const target = openTarget(asked);
  joinPidNamespace(target);
  const request = resolved(asked, target);
  const pipes = new Pipes();
  const { input, sources, terminal } = pipes.streams(request.spec);
  const command = Command.fork((status) => becomeFurtherCommand(target, request, pipes.stdio, status));
  command.callNames = request.spec.callNames;
  command.terminal = terminal;
  pipes.closeCommandEnds();
  close(target.folder);
  const types = [TellType.stdout, TellType.stderr] as const;
  const outputs = sources.map((source, i) => ({ type: types[i] ?? TellType.stdout, source }));
  return new Relay({ command, frames, terminal, input, outputs });
}

function main(): never {
  postFirstTask();
  setUndumpable();
  const frames = new FrameReader();
  const request = receiveRequest(frames);
  try {
    const relay = open(request, frames);
    for (const fd of [asking, telling, feeding]) setNonBlocking(fd);
    relay.run();
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    write(telling, encodeJson(TellType.failed, error.failure));
  }
  return exitNow(0);
}

main();
