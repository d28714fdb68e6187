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
  if (step === "find" && errno === "ENOENT") return notFound;
  return step === "find" || step === "exec" ? notExecutable : podiumFailed;
}

function signalNumber(name: string | null): number {
  const realtime = /^SIGRTMIN\+(\d+)$/.exec(name ?? "");
  if (realtime !== null) return 34 + Number(realtime[1]);
  return constants.signals[name as NodeJS.Signals] ?? constants.signals.SIGKILL;
}
