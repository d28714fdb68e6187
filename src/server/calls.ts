// What every call has around its work: who asks, one place for errors, an end when the client goes.
import { once } from "node:events";
import type { handleServerStreamingCall, handleUnaryCall, ServerWritableStream } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import type { Caller } from "../jobs/jobs.ts";
import { statusOf } from "./failures.ts";
import { type AuthenticatedCall, identityOf } from "./identity.ts";
import type { ServerLog } from "./log.ts";
import type { Trust } from "./trust.ts";

export interface CallContext {
  readonly trust: Trust;
  readonly log: ServerLog;
  /** Aborted when the server ends: streams end with UNAVAILABLE, so that clients resume. */
  readonly ending: AbortSignal;
}

export function callerOf(call: AuthenticatedCall, { trust }: CallContext): Caller {
  const { user, role } = identityOf(call, trust);
  return { user, role, seesAll: role !== "user" };
}

/** A unary handler from an async function. */
export function unary<Request, Response>(
  context: CallContext,
  name: string,
  work: (caller: Caller, request: Request) => Promise<Response> | Response,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const answer = async () => work(callerOf(call, context), call.request);
    answer().then(
      (response) => callback(null, response),
      (error) => callback(told(context, name, error)),
    );
  };
}

/** Sends one message and waits while the client is behind. False: the client is gone. */
export type Send<Response> = (message: Response) => Promise<boolean>;

/** A server-streaming handler from an async function; its signal is aborted when the client goes or the server ends. */
export function streaming<Request, Response>(
  context: CallContext,
  name: string,
  work: (caller: Caller, request: Request, send: Send<Response>, signal: AbortSignal) => Promise<void>,
): handleServerStreamingCall<Request, Response> {
  return (call) => {
    const gone = new AbortController();
    call.on("cancelled", () => gone.abort());
    call.on("error", () => gone.abort());
    const signal = AbortSignal.any([gone.signal, context.ending]);
    const answer = async () =>
      work(callerOf(call, context), call.request, (message) => send(call, message, signal), signal);
    answer().then(
      () => finish(call, context, gone.signal),
      (error) => call.emit("error", told(context, name, error)),
    );
  };
}

function finish(call: ServerWritableStream<unknown, unknown>, { ending }: CallContext, gone: AbortSignal): void {
  if (gone.aborted) return;
  if (ending.aborted) call.emit("error", { code: status.UNAVAILABLE, details: "the server is ending; try again" });
  else call.end();
}

/** `write` answering false means that the client is behind: memory would grow without bound if nobody waited. */
async function send<Response>(
  call: ServerWritableStream<unknown, Response>,
  message: Response,
  signal: AbortSignal,
): Promise<boolean> {
  if (signal.aborted) return false;
  if (!call.write(message)) await once(call, "drain", { signal }).catch(() => {});
  return !signal.aborted;
}

/** The error as the client gets it; what is podium's own fault goes to the log too. */
export function told({ log }: CallContext, name: string, error: unknown): { code: status; details: string } {
  const wire = statusOf(error);
  if (wire.code === status.INTERNAL)
    log.error({ call: name, error: String((error as Error)?.stack ?? error) }, "call failed");
  return wire;
}
