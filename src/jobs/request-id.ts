// Starts that may be repeated: a client whose connection was lost in the middle of Start asks again with the same request
// id and gets the job that the first one made. The id lies in job.json, so it lives as long as the job, restarts included.
import { setTimeout } from "node:timers/promises";
import { RequestIdTaken, StartFailed, StoppedInQueue } from "./errors.ts";
import { readStart } from "./folder.ts";
import type { Job } from "./job.ts";
import { supervisorLookMs } from "./orphan-start.ts";
import type { Queue } from "./queue.ts";
import type { Registry } from "./registry.ts";

export interface RequestIdentity {
  readonly id: string;
  /** SHA-256 of the request: another request with the same id is a mistake, not a repetition. */
  readonly digest: string;
}

interface Serving {
  readonly digest: string;
  readonly answer: Promise<Job>;
}

const lookEveryMs = 5;

export class RepeatableStarts {
  readonly #registry: Registry;
  readonly #queue: Queue;
  /** Starts that have no answer yet, by user and request id. */
  readonly #serving = new Map<string, Serving>();

  constructor(registry: Registry, queue: Queue) {
    this.#registry = registry;
    this.#queue = queue;
  }

  /** The answer of the one job of this request: of the present start, an earlier one's, or that of `start`. */
  async once(user: string, { id, digest }: RequestIdentity, start: () => Promise<Job>): Promise<Job> {
    const key = `${user} ${id}`; // neither has a space in it
    const job = this.#registry.byRequestId(user, id);
    const serving = this.#serving.get(key);
    if ((serving?.digest ?? job?.meta.requestDigest ?? digest) !== digest) throw new RequestIdTaken(id, job?.id ?? 0);
    if (serving !== undefined) return serving.answer;
    if (job !== undefined) {
      await this.#queue.answerOf(job);
      return answerOf(job);
    }
    const answer = start().finally(() => this.#serving.delete(key));
    this.#serving.set(key, { digest, answer });
    return answer;
  }
}

/** What Start said or would have said: a server that came later found the job in the middle of its start, or after. */
async function answerOf(job: Job): Promise<Job> {
  const deadline = performance.now() + supervisorLookMs;
  while (job.outcome === null && readStart(job.folder).pid === 0 && performance.now() < deadline) {
    await setTimeout(lookEveryMs);
  }
  const { outcome } = job;
  if (outcome?.cause === "STOPPED" && outcome.startedAtMs === 0) throw new StoppedInQueue(job.id, outcome.message);
  if (outcome?.startedAtMs === 0) throw new StartFailed(job.id, outcome.message);
  return job;
}
