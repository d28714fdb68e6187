// A start whose zygote died: what its supervisor leaves in the job folder tells how it goes on.
import { setTimeout } from "node:timers/promises";
import { StepFailed } from "./errors.ts";
import { readExit, readStart } from "./folder.ts";

/** How long a supervisor that cannot be reached gets to appear, or to finish writing its record. */
export const supervisorLookMs = 3_000;
const lookEveryMs = 10;

/** The command has been exec'd: its pid as the host sees it, and when. */
export interface Started {
  readonly pid: number;
  readonly startedAtMs: number;
}

/**
 * If the zygote had forked the supervisor before it died, the start goes on without it, and the pid file appears with the
 * exec. Throws StepFailed when the record says that it failed; null when nothing comes.
 */
export async function startedWithoutZygote(folder: string): Promise<Started | null> {
  for (const deadline = performance.now() + supervisorLookMs; performance.now() < deadline; ) {
    const exit = readExit(folder);
    if (exit?.cause === "START_FAILED") throw new StepFailed(exit.step, exit.errno, exit.message);
    const started = readStart(folder);
    if (started.pid !== 0) return started;
    if (exit !== null) return null;
    await setTimeout(lookEveryMs);
  }
  return null;
}
