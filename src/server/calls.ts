// What every call has around its work: who asks, one place for errors, an end when the client goes.
import { type EventEmitter, once } from "node:events";
import type { handleServerStreamingCall, handleUnaryCall } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import type { Abortable } from "../jobs/abortable.ts";
import { Interrupted } from "../jobs/errors.ts";
import type { Caller } from "../jobs/jobs.ts";
import type { AuditLog } from "./audit/log.ts";
import { CallEnd } from "./call-end.ts";
import { statusOf } from "./failures.ts";
import { Framed } from "./framed.ts";
import { type AuthenticatedCall, identityOf } from "./identity.ts";
import type { ServerLog } from "./log.ts";
import type { Trust } from "./trust.ts";

export interface CallContext {
  readonly trust: Trust;
  readonly log: ServerLog;
  readonly audit: AuditLog;
  /** Aborted when the server ends: streams end with UNAVAILABLE, so that clients resume. */
  readonly ending: Abortable;
}

export function callerOf(call: AuthenticatedCall, { trust }: CallContext): Caller {
  const { user, role } = identityOf(call, trust);
  return { user, role, seesAll: role !== "user" };
}

/** Dispose it with the call. */
export function callEnd(call: ConstructorParameters<typeof CallEnd>[0], { ending }: CallContext): CallEnd {
  return new CallEnd(call, ending);
}

/** A unary handler from an async function; work that takes long heeds the end. */
export function unary<Request, Response>(
  context: CallContext,
  name: string,
  work: (caller: Caller, request: Request, end: CallEnd) => Promise<Response> | Response,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const answer = async () => {
      using end = callEnd(call, context);
      return await work(callerOf(call, context), call.request, end);
    };
    answer().then(
      (response) => callback(null, response),
      (error) => callback(told(context, name, error)),
    );
  };
}

/** Sends one message and waits while the client is behind; with `Framed`, until it is written. False: the client is gone. */
export type Send<Response> = (message: Response | Framed) => Promise<boolean>;

/** A server-streaming handler from an async function; its signal is aborted when the client goes or the server ends. */
export function streaming<Request, Response>(
  context: CallContext,
  name: string,
  work: (caller: Caller, request: Request, send: Send<Response>, signal: AbortSignal) => Promise<void>,
): handleServerStreamingCall<Request, Response> {
  return (call) => {
    const answer = async () => {
      using end = callEnd(call, context);
      const { signal } = end;
      await work(callerOf(call, context), call.request, (message) => send(call, message, signal), signal);
      if (context.ending.aborted && !end.gone) throw new Interrupted();
    };
    answer().then(
      () => call.end(),
      (error) => call.emit("error", told(context, name, error)),
    );
  };
}

interface OutgoingStream<Response> extends EventEmitter {
  write(message: Response, done?: (error?: Error | null) => void): boolean;
}

/** `write` answering false means that the client is behind: memory would grow without bound if nobody waited. */
export async function send<Response>(
  call: OutgoingStream<Response>,
  message: Response | Framed,
  signal: AbortSignal,
): Promise<boolean> {
  if (signal.aborted) return false;
  if (message instanceof Framed) return await written(call, message, signal);
  if (!call.write(message)) await once(call, "drain", { signal }).catch(() => {});
  return !signal.aborted;
}

/** grpc-js never calls back for a call that is over. */
function written<Response>(call: OutgoingStream<Response>, message: Framed, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const gone = () => resolve(false);
    signal.addEventListener("abort", gone);
    call.write(message as Response, (error) => {
      signal.removeEventListener("abort", gone);
      resolve(!error && !signal.aborted);
    });
  });
}

/** The error as the client gets it; what is podium's own fault goes to the log too. */
export function told({ log }: CallContext, name: string, error: unknown): { code: status; details: string } {
  const wire = statusOf(error);
  if (wire.code === status.INTERNAL)
    log.error({ call: name, error: String((error as Error)?.stack ?? error) }, "call failed");
  return wire;
}
