// The one place that turns errors into wire failures: in-band for what concerns a job, gRPC status for identity, request
// shape and transport (docs/contract.md, "gRPC").
import { status } from "@grpc/grpc-js";
import { FailureCode } from "../gen/podium.ts";
import {
  Exhausted,
  Interrupted,
  InvalidRequest,
  NameTaken,
  NoSuchFile,
  NoSuchJob,
  NotAllowed,
  NotPossible,
  NotRunning,
  PortTaken,
  RequestIdTaken,
  StartFailed,
  StillRunning,
  StoppedInQueue,
  Unenforceable,
  Unreachable,
} from "../jobs/errors.ts";
import { IdentityError } from "./identity.ts";

/** What grpc-js sends as a call's status. */
export interface WireStatus {
  readonly code: status;
  readonly details: string;
}

/** In-band failure of Start, Stop, Status and Log. */
export interface WireFailure {
  readonly id: bigint;
  readonly msg: string;
  readonly code: FailureCode;
}

/** A call that its request's order or a job's state does not allow (Session). */
export class FailedPrecondition extends Error {
  override readonly name = "FailedPrecondition";
}

/** The server has no service of this name (Health). */
export class NoSuchService extends Error {
  override readonly name = "NoSuchService";

  constructor(service: string) {
    super(`there is no service ${JSON.stringify(service)}`);
  }
}

/** null: this error is not told in-band. */
export function inBand(error: unknown, id: bigint): WireFailure | null {
  const failure = (code: FailureCode, at = id) => ({ id: at, msg: (error as Error).message, code });
  if (error instanceof NoSuchJob) return failure(FailureCode.NOT_FOUND);
  if (error instanceof StartFailed) return failure(FailureCode.START_FAILED, BigInt(error.id));
  if (error instanceof NameTaken) return failure(FailureCode.NAME_TAKEN, BigInt(error.id));
  if (error instanceof RequestIdTaken) return failure(FailureCode.REQUEST_ID_TAKEN, BigInt(error.id));
  if (error instanceof StoppedInQueue) return failure(FailureCode.STOPPED_IN_QUEUE, BigInt(error.id));
  if (error instanceof Unenforceable) return failure(FailureCode.UNENFORCEABLE);
  if (error instanceof PortTaken) return failure(FailureCode.PORT_TAKEN);
  if (error instanceof Unreachable) return failure(FailureCode.UNREACHABLE);
  if (statusOf(error).code === status.INTERNAL) return failure(FailureCode.SERVER_ERROR);
  return null;
}

export function statusOf(error: unknown): WireStatus {
  const details = error instanceof Error ? error.message : String(error);
  if (error instanceof IdentityError) return { code: status.UNAUTHENTICATED, details };
  if (error instanceof NotAllowed) return { code: status.PERMISSION_DENIED, details };
  if (error instanceof Exhausted) return { code: status.RESOURCE_EXHAUSTED, details };
  if (error instanceof InvalidRequest) return { code: status.INVALID_ARGUMENT, details };
  if (error instanceof NoSuchJob || error instanceof NoSuchFile || error instanceof NoSuchService)
    return { code: status.NOT_FOUND, details };
  if ([StillRunning, NotRunning, NotPossible, FailedPrecondition].some((kind) => error instanceof kind))
    return { code: status.FAILED_PRECONDITION, details };
  if (error instanceof Interrupted) return { code: status.UNAVAILABLE, details };
  return { code: status.INTERNAL, details: `the server failed: ${details}` };
}
