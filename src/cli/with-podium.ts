// What every client command has around its work: the connection, and errors in the user's words.
import type { Command } from "commander";
import { ownExpiryWarning } from "../certs/expiry.ts";
import { CallFailure } from "../client/call-failure.ts";
import { connect, type Podium } from "../client/connect.ts";
import { explainConnectFailure } from "../client/connect-failure.ts";
import { loadProfile } from "../client/profile.ts";
import { ConnectionLost } from "../client/resume.ts";
import { connectionFlags } from "./connection-options.ts";
import { CliError, cliErrorOf, report, tell } from "./failure.ts";
import { ReaderGone } from "./output.ts";

/** Connects as the command's options say and runs `work`. Throws CliError, ReaderGone. */
export async function withPodium<T>(command: Command, work: (podium: Podium) => Promise<T>): Promise<T> {
  using podium = connect(loadProfile(connectionFlags(command)));
  const warning = ownExpiryWarning(podium.connection.certificate.validTo, new Date());
  if (warning !== null) tell(warning);
  try {
    return await work(podium);
  } catch (error) {
    throw await explained(error, podium);
  }
}

/** UNAVAILABLE says nothing; whatever else the server says is a sentence already. */
export async function explained(error: unknown, podium: Podium): Promise<Error> {
  if (error instanceof CliError || error instanceof ReaderGone) return error;
  const { name } = podium.connection;
  if (error instanceof ConnectionLost) return lost(error, podium);
  if (!(error instanceof CallFailure)) return cliErrorOf(error);
  if (error.status === "UNAVAILABLE") return cliErrorOf(await explainConnectFailure(error, podium.connection));
  if (error.status === "DEADLINE_EXCEEDED") {
    return new CliError(`${name} does not answer`, "the connection stands, so the server may be overloaded: try again");
  }
  if (error.status === "UNIMPLEMENTED") return new CliError(`${name} is older than this podium: ${error.message}`);
  return cliErrorOf(error);
}

/** "lost" is also what the explanation says where the server answers again. */
async function lost({ cause }: ConnectionLost, { connection }: Podium): Promise<CliError> {
  const { kind, message, mend } = await explainConnectFailure(cause, connection);
  return new CliError(
    kind === "lost" ? message : `the connection to ${connection.name} was lost: ${message}`,
    mend,
    cause,
  );
}

/** Does the same to several jobs at once. Each failure is told by itself, and the exit code is 125 then. */
export async function forEachJob<T>(
  podium: Podium,
  jobs: readonly string[],
  work: (job: string) => Promise<T>,
): Promise<T[]> {
  const results = await Promise.allSettled(jobs.map(work));
  const failures = results.filter((result) => result.status === "rejected");
  const explanations = await Promise.all(failures.map(({ reason }) => explained(reason, podium)));
  const told = new Map(explanations.map((error) => [error.message, cliErrorOf(error)]));
  for (const error of told.values()) report(error);
  return results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}
