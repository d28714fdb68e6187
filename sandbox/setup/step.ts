import { errnoCode } from "../sys/errors.ts";
import type { SetupFailure } from "../zygote/protocol.ts";

/** A set-up step that failed, ready to cross the fork: its name, the errno, and one sentence. */
export class StepError extends Error {
  override readonly name = "StepError";
  readonly failure: SetupFailure;

  constructor(failure: SetupFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** A refusal that names its own errno, for what no single system call says. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Runs one named step; whatever it throws becomes a StepError that carries the name. */
export function step<T>(name: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof StepError) throw error;
    throw new StepError(stepFailure(name, error));
  }
}

/** A message may quote an argument of 128 KiB; a report must fit into a pipe and into one frame that is never torn. */
const longestMessage = 1000;
const keptEnd = 200;

/** What a step of this name tells when it failed with `error`. */
export function stepFailure(name: string, error: unknown): SetupFailure {
  const failure = describeWhole(name, error);
  if (failure.message.length <= longestMessage) return failure;
  const { message } = failure;
  return { ...failure, message: `${message.slice(0, longestMessage - keptEnd)}…${message.slice(-keptEnd)}` };
}

function describeWhole(name: string, error: unknown): SetupFailure {
  if (!(error instanceof Error)) return { step: name, errno: "", message: `${name}: ${String(error)}` };
  const { code, errno } = error as { code?: unknown; errno?: unknown };
  const errnoName = typeof code === "string" ? code : typeof errno === "number" ? errnoCode(Math.abs(errno)) : "";
  return { step: name, errno: errnoName, message: `${name}: ${error.message}` };
}
