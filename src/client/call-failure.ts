// What a call can end with beside its answer.
import { type ServiceError, status } from "@grpc/grpc-js";
import { FailureCode } from "../gen/podium.ts";

export type StatusName = keyof typeof status;

/** A gRPC status: identity, request shape, transport, and all failures of the services beyond RFD 0. */
export class CallFailure extends Error {
  override readonly name = "CallFailure";
  readonly status: StatusName;

  constructor(statusName: StatusName, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = statusName;
  }
}

/** A failure that Start, Stop, Status or Log tell in-band. */
export class JobFailure extends Error {
  override readonly name = "JobFailure";
  /** START_FAILED: the job that keeps the cause; NAME_TAKEN: the job that has the name. */
  readonly id: bigint;
  readonly code: FailureCode;

  constructor({ id, msg, code }: { id: bigint; msg: string; code: FailureCode }) {
    super(msg);
    this.id = id;
    this.code = code;
  }
}

/** grpc-js's error as ours: its own text without `14 UNAVAILABLE: ` before it. */
export function callFailure(error: ServiceError): CallFailure {
  return new CallFailure(status[error.code] as StatusName, error.details || error.message, error);
}

/** True when the connection failed rather than the call: the server ended, or the network did. */
export function isInterruption(error: unknown): boolean {
  if (!(error instanceof CallFailure)) return false;
  // CANCELLED that nobody asked for, and RST_STREAM: how a server that is shut down hard drops its streams.
  return ["UNAVAILABLE", "CANCELLED"].includes(error.status) || /RST_STREAM/.test(error.message);
}

/** The value of a response's oneof; throws JobFailure. */
export function successOf<Value>(
  response:
    | { $case: "success"; value: Value }
    | { $case: "failure"; value: { id: bigint; msg: string; code: FailureCode } }
    | undefined,
): Value {
  if (response?.$case === "success") return response.value;
  if (response?.$case === "failure") throw new JobFailure(response.value);
  const msg = "the server's answer is empty; is it newer than this client?";
  throw new JobFailure({ id: 0n, msg, code: FailureCode.UNSPECIFIED });
}
