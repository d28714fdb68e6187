// A supervisor that somebody on the host has stopped (SIGSTOP, a debugger) obeys no Stop: it is killed in the end.
import { setTimeout } from "node:timers/promises";
import type { Job } from "./job.ts";
import type { Supervisor } from "./job-control.ts";

const lookMs = 500;
/** So many in a row must find it stopped: what only pauses goes on, and ends its job itself, with a true record. */
const looks = 7;

/**
 * True once the grace is over and the supervisor has been stopped for a while since; false when the job has ended, or the
 * signal is aborted. One that runs, however slowly, is waited for: its record is worth it.
 */
export async function staysHalted(
  job: Job,
  supervisor: Supervisor,
  graceMs: number,
  aborted: AbortSignal,
): Promise<boolean> {
  const over = new AbortController();
  const waiting = { signal: AbortSignal.any([over.signal, aborted]), ref: false };
  void job.ended(aborted).then(() => over.abort());
  try {
    await setTimeout(graceMs, undefined, waiting);
    while (supervisor.look() < looks) await setTimeout(lookMs, undefined, waiting);
    return job.outcome === null;
  } catch {
    return false;
  }
}
