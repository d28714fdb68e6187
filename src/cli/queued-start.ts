// A Start whose job waits in the server's queue: there is no answer yet, but the job is there.
import type { Podium } from "../client/connect.ts";
import { listJobs } from "../client/jobs.ts";
import { type JobInfo, type StartRequest, State } from "../gen/podium.ts";
import { tell } from "./failure.ts";

const tellAfterMs = 1_000;

/** The caller's own job of this request while it waits; null when it does not, or nobody can tell. */
export async function queuedJob(podium: Podium, { requestId }: StartRequest): Promise<JobInfo | null> {
  const user = /^CN=(.*)$/m.exec(podium.connection.certificate.subject)?.[1];
  try {
    for await (const job of listJobs(podium)) {
      if (job.requestId === requestId && job.user === user && job.state === State.QUEUED) return job;
    }
  } catch {
    // Start itself will say what is wrong.
  }
  return null;
}

/** Says so on stderr when there is no answer after a second because the job waits. Dispose it when there is one. */
export function tellQueued(podium: Podium, request: StartRequest): Disposable {
  let over = false;
  const timer = setTimeout(async () => {
    const job = await queuedJob(podium, request);
    if (job === null || over) return;
    tell(`job ${job.id}: it waits for its turn, the server is full; to take it out: podium stop ${job.id}`);
  }, tellAfterMs);
  return {
    [Symbol.dispose]: () => {
      over = true;
      clearTimeout(timer);
    },
  };
}
