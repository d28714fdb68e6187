// How long this process's event loop was held up by work of its own: what it only waited for a processor does not count.
import { readFileSync } from "node:fs";

export interface LoopDelay {
  /** Milliseconds from one turn of the loop to the next, at most. */
  readonly longestMs: number;
  /** The same without the time in the run queue. */
  readonly longestOwnMs: number;
}

/** Nanoseconds that this thread has waited for a processor so far (proc(5), schedstat). */
function waitedNs(): number {
  return Number(readFileSync("/proc/thread-self/schedstat", "utf8").split(" ")[1]);
}

/** Measures from now until the returned function is called. */
export function measureLoopDelay(): () => LoopDelay {
  let [last, waited, longestMs, longestOwnMs] = [performance.now(), waitedNs(), 0, 0];
  const sample = () => {
    const [now, waitedNow] = [performance.now(), waitedNs()];
    const lateMs = now - last - 1;
    longestMs = Math.max(longestMs, lateMs);
    longestOwnMs = Math.max(longestOwnMs, lateMs - (waitedNow - waited) / 1e6);
    [last, waited] = [now, waitedNow];
  };
  const timer = setInterval(sample, 1).unref(); // it is no reason for a process to live
  return () => {
    sample();
    clearInterval(timer);
    return { longestMs, longestOwnMs };
  };
}
