// What can go wrong with a job, as plain errors of the product; src/server/failures.ts turns them into wire failures.

/** The request cannot be had as asked: names the request's field and the mend. Nothing was done. */
export class InvalidRequest extends Error {
  override readonly name = "InvalidRequest";
  readonly field: string;

  constructor(field: string, reason: string, mend = "") {
    super(mend === "" ? `${field}: ${reason}` : `${field}: ${reason}; ${mend}`);
    this.field = field;
  }
}

/** Neither there nor another's: the two answers are the same. */
export class NoSuchJob extends Error {
  override readonly name = "NoSuchJob";

  constructor(id: bigint | number) {
    super(`there is no job ${id}`);
  }
}

/** The caller's role does not allow it. */
export class NotAllowed extends Error {
  override readonly name = "NotAllowed";
}

/** This host cannot enforce a limit that was asked for. */
export class Unenforceable extends Error {
  override readonly name = "Unenforceable";
}

/** Something of which the server has only so much is used up; wait, or let the administrator give it more. */
export class Exhausted extends Error {
  override readonly name = "Exhausted";
}

/** A port to publish belongs to somebody else. */
export class PortTaken extends Error {
  override readonly name = "PortTaken";
}

/** A target that had to be reachable from inside the job is not. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/** The job does not run, and what was asked needs it running. */
export class NotRunning extends Error {
  override readonly name = "NotRunning";

  constructor(id: number, why = "has ended") {
    super(`job ${id} ${why}`);
  }
}

/** A job of the caller's has no file of this path. */
export class NoSuchFile extends Error {
  override readonly name = "NoSuchFile";
}

/** The state or kind of a job does not allow what was asked. */
export class NotPossible extends Error {
  override readonly name = "NotPossible";
}

/** Another job of the same user has the name; `id` is that job's. */
export class NameTaken extends Error {
  override readonly name = "NameTaken";
  readonly id: number;

  constructor(jobName: string, id: number) {
    super(
      `name: ${JSON.stringify(jobName)} belongs to job ${id}; choose another, or remove that job when it has finished`,
    );
    this.id = id;
  }
}

/** A job of the same user was started with the request id, by another request; `id` is that job's, 0 while it is being made. */
export class RequestIdTaken extends Error {
  override readonly name = "RequestIdTaken";
  readonly id: number;

  constructor(requestId: string, id: number) {
    const owner = id === 0 ? "another request that is being served" : `job ${id}, which another request started`;
    super(
      `request_id: ${JSON.stringify(requestId)} belongs to ${owner}; repeat that request as it was, or choose another id`,
    );
    this.id = id;
  }
}

/** The job waited for its start when somebody stopped it; its record says the same. */
export class StoppedInQueue extends Error {
  override readonly name = "StoppedInQueue";
  readonly id: number;

  constructor(id: number, message: string) {
    super(message);
    this.id = id;
  }
}

/** The job is still running, and what was asked needs it finished. */
export class StillRunning extends Error {
  override readonly name = "StillRunning";

  constructor(id: number) {
    super(`job ${id} is still running; stop it first`);
  }
}

/** The job was made, but its command did not start; its record says the same. */
export class StartFailed extends Error {
  override readonly name = "StartFailed";
  readonly id: number;

  constructor(id: number, message: string) {
    super(message);
    this.id = id;
  }
}

/** The command could not be started: at which named step, with which errno. */
export class StepFailed extends Error {
  override readonly name = "StepFailed";
  readonly step: string;
  readonly errno: string;

  constructor(step: string, errno: string, message: string) {
    super(message);
    this.step = step;
    this.errno = errno;
  }
}

/** The server ends before the call could be answered; the job does not notice. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";

  constructor() {
    super("the server is ending; try again");
  }
}

/** DATA is not usable, with the reason and the mend. */
export class DataError extends Error {
  override readonly name = "DataError";
  readonly mend: string;

  constructor(message: string, mend: string) {
    super(message);
    this.mend = mend;
  }
}
