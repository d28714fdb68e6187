// The part of the seam (executor.ts) that is about ids of the host that jobs have (docs/ids.md).
import { readFileSync } from "node:fs";
import { type IdRanges, idsPerJob } from "../../sandbox/id-ranges.ts";
import { close, O_CREAT, O_RDWR, open, tryLockByte } from "../../sandbox/sys/descriptors.ts";
import { isGone } from "../../sandbox/sys/errors.ts";
import { openProcess } from "../../sandbox/sys/process-identity.ts";
import { idLocks } from "../../sandbox/zygote/client.ts";
import { readProcesses } from "./processes.ts";

/** Most jobs that wait ready-made at a time; how many do, recent demand says (sandbox/zygote/pool-size.ts). */
const mostReadyJobs = 32;

/** Each holds a range of ids, of which there may be few. */
export const readyJobsOf = ({ ranges }: IdRanges) => Math.min(mostReadyJobs, Math.floor(ranges / 8));

/**
 * Ranges of jobs that run, whose own locks are in a file of locks that somebody has removed: held by this server until they
 * end, so that no other job gets them.
 */
export class LostRanges {
  readonly #locks = new Map<string, number>();

  /** Before the zygote begins to give out ranges. `running`: the folders of jobs, by job. */
  hold(running: ReadonlyMap<string, string>): void {
    for (const [job, folder] of running) {
      const base = idBaseOf(folder);
      if (base === null) continue;
      const lock = open(idLocks, O_RDWR | O_CREAT, 0o600);
      if (tryLockByte(lock, base / idsPerJob)) this.#locks.set(job, lock);
      else close(lock); // its init has it
    }
  }

  release(job: string): void {
    const lock = this.#locks.get(job);
    this.#locks.delete(job);
    if (lock !== undefined) close(lock);
  }
}

/** Host id of the job's uid 0; null: its command has ended, or has not begun. */
function idBaseOf(folder: string): number | null {
  const { command } = readProcesses(folder);
  const process = command && openProcess(command.pid, command.startTicks);
  if (process === null) return null;
  try {
    const [, text] = /^\s*0\s+(\d+)/.exec(readFileSync(`/proc/self/fd/${process}/uid_map`, "latin1")) ?? [];
    const base = Number(text ?? 0);
    return base >= idsPerJob && base % idsPerJob === 0 ? base : null;
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  } finally {
    close(process);
  }
}
