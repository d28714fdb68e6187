// Errors as the user of the command line sees them.
import { printable } from "./printable.ts";

/** An error for the user of the command line: printed as `podium: message` and, where there is one, the mend on a second line. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly mend: string;
  /** 125: podium itself failed, as against the job's own exit code. */
  readonly exitCode: number = 125;

  constructor(message: string, mend = "", cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.mend = mend;
  }
}

/** Any error as a CliError; keeps the mend of errors that carry one (CredentialError). */
export function cliErrorOf(error: unknown): CliError {
  if (error instanceof CliError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const mend = (error as { mend?: unknown } | null)?.mend;
  return new CliError(message, typeof mend === "string" ? mend : "", error);
}

/** Prints an error and sets the exit code. */
export function report(error: CliError): void {
  tell(error.message);
  if (error.mend !== "") process.stderr.write(`  ${printable(error.mend)}\n`);
  process.exitCode = error.exitCode;
}

/** One line of podium's own on stderr. */
export function tell(message: string): void {
  process.stderr.write(`podium: ${printable(message)}\n`);
}
