// The exec process; see protocol.ts. Started as host root; its child enters the job and becomes the command.
import { encodeJson, FrameReader } from "../frames.ts";
import { Command } from "../init/command.ts";
import { PipeInput } from "../init/input.ts";
import { PipeSource } from "../init/source.ts";
import { Terminal } from "../init/terminal.ts";
import { user } from "../program-request.ts";
import { joinPidNamespace, openTarget, type Target } from "../setup/join.ts";
import { StepError, step } from "../setup/step.ts";
import { close, pipe, read, setNonBlocking, write } from "../sys/descriptors.ts";
import { exitNow, setUndumpable } from "../sys/process.ts";
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
  const typing = request.spec.stdin === "stream";
  const terminal = request.spec.terminal === null ? null : new Terminal(typing);
  const [input, out, err] = [new PipeInput(), pipe(), pipe()];
  const stdio = { in: input.readEnd, out: out.write, err: err.write };
  const command = Command.fork((status) => becomeFurtherCommand(target, request, stdio, status));
  command.callNames = request.spec.callNames;
  command.terminal = terminal;
  for (const fd of [out.write, err.write, target.folder]) close(fd);
  input.closeReadEnd();
  if (!typing || terminal !== null) input.shut();
  const pipes = [
    { type: TellType.stdout, source: new PipeSource(out.read) },
    { type: TellType.stderr, source: new PipeSource(err.read) },
  ];
  return new Relay({
    command,
    frames,
    terminal,
    input: terminal === null ? (typing ? input : null) : terminal.input,
    outputs: terminal === null ? pipes : [{ type: TellType.stdout, source: terminal }],
  });
}

function main(): never {
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
