// A job's streams as podium's own, without a terminal.
import { CallFailure, isInterruption } from "../client/call-failure.ts";
import type { Podium } from "../client/connect.ts";
import { waitForJob } from "../client/jobs.ts";
import { followLogs, type LogSelection } from "../client/logs.ts";
import { ConnectionLost } from "../client/resume.ts";
import { feedStdin } from "../client/session.ts";
import type { JobInfo } from "../gen/podium.ts";
import { CliError, report } from "./failure.ts";
import { tellGap } from "./log-gap.ts";
import { write } from "./output.ts";
import { ownInput } from "./own-input.ts";

/** Resolves with the job at its end, all of its output written. `stdin`: podium's own is fed to it. */
export async function streamed(
  podium: Podium,
  id: bigint,
  stdin: boolean,
  selection: LogSelection,
  leave: AbortSignal,
): Promise<JobInfo> {
  const lost = new AbortController();
  const signal = AbortSignal.any([leave, lost.signal]);
  const input = stdin ? ownInput() : null;
  if (input !== null) {
    feedStdin(podium, id, input, signal).catch((error) => {
      if (isInterruption(error)) lost.abort(new ConnectionLost(error));
      else if (!signal.aborted && !input.destroyed) tellLostInput(error);
    });
  }
  try {
    for await (const piece of followLogs(podium, id, selection, signal)) {
      tellGap(id, piece);
      await write(piece.stream, piece.bytes);
    }
    return await waitForJob(podium, id, signal);
  } finally {
    input?.destroy();
  }
}

/** A job that was over before its input came needed none. */
function tellLostInput(error: unknown): void {
  if (error instanceof CallFailure && error.status === "FAILED_PRECONDITION") return;
  const { code, message } = error as NodeJS.ErrnoException;
  report(new CliError(`stdin: ${code === undefined ? message : `cannot be read: ${code}`}`));
}
