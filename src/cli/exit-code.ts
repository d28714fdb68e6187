import { constants } from "node:os";

/** The part of an outcome that decides the exit code of `run`, `wait` and `sandbox`. */
export interface EndOfJob {
  readonly cause: string;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly step: string;
  readonly errno: string;
}

const podiumFailed = 125;
const notExecutable = 126;
const notFound = 127;
const timedOut = 124;

/** docs/contract.md, "Exit codes". */
export function exitCodeOf({ cause, exitCode, signal, step, errno }: EndOfJob): number {
  switch (cause) {
    case "TIMEOUT":
      return timedOut;
    case "OOM":
    case "OUTPUT_LIMIT":
      return 128 + constants.signals.SIGKILL;
    case "SECCOMP":
      return 128 + constants.signals.SIGSYS;
    case "START_FAILED":
      return startFailure(step, errno);
    case "LOST":
      return podiumFailed;
    default:
      return exitCode ?? 128 + signalNumber(signal);
  }
}

function startFailure(step: string, errno: string): number {
  // ENAMETOOLONG: no file can have this name, so there is none.
  if (step === "find" && (errno === "ENOENT" || errno === "ENAMETOOLONG")) return notFound;
  return step === "find" || step === "exec" ? notExecutable : podiumFailed;
}

/** The number of a name that sandbox/init/outcome.ts gives. */
function signalNumber(name: string | null): number {
  const known = constants.signals[name as NodeJS.Signals];
  if (known !== undefined) return known;
  const [, realtime, number] = /^SIG(RTMIN)?\+?(\d*)$/.exec(name ?? "") ?? [];
  if (realtime !== undefined) return 34 + Number(number);
  return Number(number) || constants.signals.SIGKILL;
}
