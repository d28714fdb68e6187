import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { TerminalSize } from "../../../sandbox/spec.ts";
import { type ExecOpen, type ExecRequest, ExecResponse, type Terminal } from "../../gen/podium.ts";
import { Interrupted, InvalidRequest } from "../../jobs/errors.ts";
import type { ExecEvent, ExecWanted, JobExec } from "../../jobs/execs.ts";
import type { Caller, Jobs } from "../../jobs/jobs.ts";
import { signalNumber } from "../../jobs/signal.ts";
import { type CallContext, callEnd, callerOf, send, told } from "../calls.ts";
import { FramedMessages } from "../framed.ts";

type ExecCall = ServerDuplexStream<ExecRequest, ExecResponse>;
type Requests = AsyncIterator<ExecRequest>;

/** Of ExecResponse of proto/podium.proto. */
const fields = { stdout: 2, stderr: 3 } as const;

/** Session.Exec. */
export function exec(jobs: Jobs, context: CallContext): (call: ExecCall) => void {
  return (call) => {
    const answer = async () => {
      using end = callEnd(call, context);
      await run(jobs, callerOf(call, context), call, end.signal);
      if (context.ending.aborted && !end.gone) throw new Interrupted();
    };
    answer().then(
      () => call.end(),
      (error) => call.emit("error", told(context, "Exec", error)),
    );
  };
}

/** Reads no further request while the command reads no input, and no output while the client takes none. */
async function run(jobs: Jobs, caller: Caller, call: ExecCall, signal: AbortSignal): Promise<void> {
  // The usual iterator destroys the call when the client half-closes, and with it the answers that are still to be sent.
  const requests: Requests = call.iterator({ destroyOnReturn: false });
  const first = await nextRequest(requests);
  if (first?.$case !== "open") throw new InvalidRequest("open", "the first request of Exec must be open");
  const { value: open } = first;
  using command = jobs.execs.start(caller, open.id, wantedOf(open));
  const close = () => command[Symbol.dispose]();
  if (signal.aborted) return;
  signal.addEventListener("abort", close);
  const refused = new Promise<never>((_, reject) => feed(requests, open, command).catch(reject));
  await Promise.race([relay(command, call, signal), refused]);
}

async function relay(command: JobExec, call: ExecCall, signal: AbortSignal): Promise<void> {
  const messages = new FramedMessages((framed) => send(call, framed, signal));
  try {
    for await (const event of command.events()) {
      if (!(await sendEvent(messages, event))) return;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await messages.written();
  }
}

function sendEvent(messages: FramedMessages, event: ExecEvent): Promise<boolean> {
  if ("bytes" in event) return messages.sendBytes(fields[event.kind], event.bytes);
  return messages.sendEncoded(ExecResponse.encode({ response: responseOf(event) }).finish());
}

type Milestone = Exclude<ExecEvent, { readonly bytes: Buffer }>;

function responseOf(event: Milestone): ExecResponse["response"] {
  switch (event.kind) {
    case "started":
      return { $case: "started", value: {} };
    case "exited": {
      const { exitCode, signal } = event.end;
      return { $case: "exited", value: { exitCode: exitCode ?? undefined, signal: signal ?? "" } };
    }
    case "failed":
      return { $case: "failed", value: { ...event.failure } };
  }
}

function wantedOf({ argv, env, cwd, user, terminal, stdin }: ExecOpen): ExecWanted {
  return { argv, env, stdin, ...(cwd !== "" && { cwd }), ...(user && { user }), ...(terminal && { terminal }) };
}

async function nextRequest(requests: Requests): Promise<ExecRequest["request"] | null> {
  try {
    const { value, done } = await requests.next();
    return done === true ? null : (value.request ?? null);
  } catch {
    return null; // the client went, which ends the call
  }
}

async function feed(requests: Requests, open: ExecOpen, command: JobExec): Promise<void> {
  for (let request = await nextRequest(requests); request; request = await nextRequest(requests)) {
    switch (request.$case) {
      case "stdin":
        if (!open.stdin) throw new InvalidRequest("stdin", "the command was started without");
        await command.input(request.value);
        break;
      case "stdinEnd":
        await end(open, command);
        break;
      case "signal":
        command.signal(signalNumber(request.value));
        break;
      case "resize":
        command.resize(sizeOf(open, request.value));
        break;
      default:
        throw new InvalidRequest("open", "Exec is open already");
    }
  }
  await end(open, command);
}

/** A terminal has no end: its end-of-file key is typed. */
async function end({ terminal, stdin }: ExecOpen, command: JobExec): Promise<void> {
  if (terminal === undefined) command.inputEnd();
  else if (stdin) await command.input(Buffer.from([4]));
}

function sizeOf({ terminal }: ExecOpen, { rows, columns }: Terminal): TerminalSize {
  if (terminal === undefined) throw new InvalidRequest("resize", "the command has no terminal");
  if (Math.max(rows, columns) <= 65_535) return { rows, columns };
  throw new InvalidRequest("resize", `${rows} by ${columns} is no size`, "use at most 65535");
}
