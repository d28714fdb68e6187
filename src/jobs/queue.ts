// Who may start now, who waits, and whose turn it is. Users take turns; of one user the jobs start in their order. Whoever
// is in turn and waits for the server's room is passed by nobody; who waits for a quota of his own is passed by others.
import { Exhausted } from "./errors.ts";
import type { Job } from "./job.ts";
import { boundsShares, excess, type QuotaSettings, type QuotaUse, quotaOf, type Share, useOf } from "./quotas.ts";

export interface QueueSettings {
  /** Jobs that may wait, of all users; 0: there is no queue. */
  readonly size: number;
  /** Jobs of one user that may wait; 0: as many as `size`. */
  readonly perUser: number;
}

/** Who takes a share: a job, or one that is about to become a job. */
interface Occupant {
  readonly meta: { readonly user: string; readonly limits: Share };
}

interface Waiting {
  readonly job: Job;
  readonly launch: () => Promise<void>;
  readonly settle: (answer: Promise<void>) => void;
}

export class Queue {
  readonly #quotas: QuotaSettings;
  readonly #settings: QueueSettings;
  readonly #running = new Map<string, Set<Occupant>>();
  /** By user, the user whose turn it is first. */
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #left = new Map<Job, Promise<void>>();

  #closed = false;

  constructor(quotas: QuotaSettings, settings: QueueSettings) {
    this.#quotas = quotas;
    this.#settings = settings;
  }

  /** Whether a new job starts at once or has to wait. Throws Exhausted when it can do neither. */
  place(user: string, share: Share, wait: boolean): "now" | "later" {
    const reason = this.#obstacle(user, share);
    if (reason === null) return "now";
    const { size, perUser } = this.#settings;
    if (size === 0) throw new Exhausted(`${reason}; stop a job, or try again when one has ended`);
    if (!wait) throw new Exhausted(`${reason}, and the request does not want to wait`);
    const own = this.#waiting.get(user)?.length ?? 0;
    if (perUser > 0 && own >= perUser)
      throw new Exhausted(`${reason}, and ${user} has ${own} of ${perUser} jobs in the queue`);
    if (this.length >= size) throw new Exhausted(`${reason}, and the queue is full with ${this.length} jobs`);
    return "later";
  }

  /** It runs, or is about to: it takes its share until `release`. */
  occupy(occupant: Occupant): void {
    const { user } = occupant.meta;
    const running = this.#running.get(user) ?? new Set();
    this.#running.set(user, running.add(occupant));
  }

  /** The job waits; resolves or rejects as `launch` does when it is its turn. */
  wait(job: Job, launch: () => Promise<void>): Promise<void> {
    const { user } = job.meta;
    job.queued = true;
    const answer = new Promise<void>((settle) => {
      this.#waiting.set(user, [...(this.#waiting.get(user) ?? []), { job, launch, settle }]);
    });
    answer.catch(() => {}); // told to whoever still waits for it
    this.#left.set(job, answer);
    return answer;
  }

  /** The answer of a job that waits. */
  answerOf(job: Job): Promise<void> | undefined {
    return this.#left.get(job);
  }

  /** Takes a job out of the queue: it will not start. False: it does not wait (any more). */
  withdraw(job: Job, failure: Error): boolean {
    const entry = this.#waiting.get(job.meta.user)?.find((each) => each.job === job);
    if (entry === undefined) return false;
    this.#remove(entry);
    entry.settle(Promise.reject(failure));
    this.pump();
    return true;
  }

  /** Nothing of it is left. */
  release(occupant: Occupant): void {
    const { user } = occupant.meta;
    const running = this.#running.get(user);
    if (running?.delete(occupant) !== true) return;
    if (running.size === 0) this.#running.delete(user);
    this.pump();
  }

  /** Whoever waits goes on waiting, for the next server. */
  close(): void {
    this.#closed = true;
  }

  /** Starts all that may start now. */
  pump(): void {
    if (this.#closed) return;
    for (let next = this.#next(); next !== null; next = this.#next()) {
      this.#remove(next);
      const { user } = next.job.meta;
      const rest = this.#waiting.get(user);
      if (rest !== undefined && this.#waiting.delete(user)) this.#waiting.set(user, rest); // the others' turn first
      this.occupy(next.job);
      next.settle(next.launch());
    }
  }

  get length(): number {
    return [...this.#waiting.values()].reduce((sum, { length }) => sum + length, 0);
  }

  waitingOf(user: string): number {
    return this.#waiting.get(user)?.length ?? 0;
  }

  use(user: string): QuotaUse {
    return useOf(this.#running.get(user) ?? []);
  }

  useOfAll(): QuotaUse {
    return useOf([...this.#running.values()].flatMap((jobs) => [...jobs]));
  }

  #next(): Waiting | null {
    for (const [user, [first]] of this.#waiting) {
      if (first === undefined || this.#excessOfUser(user, first.job.meta.limits) !== null) continue;
      return this.#excessOfAll(first.job.meta.limits) === null ? first : null;
    }
    return null;
  }

  /** Why a job that comes now does not start at once: its user's own quota, an earlier one of its user, the server, others' turn. */
  #obstacle(user: string, share: Share): string | null {
    const own = this.#excessOfUser(user, share);
    if (own !== null) return own;
    if (this.waitingOf(user) > 0) return `${user} has jobs that wait already`;
    const all = this.#excessOfAll(share);
    if (all !== null) return all;
    const inTurn = [...this.#waiting].some(
      ([other, [first]]) => first !== undefined && this.#excessOfUser(other, first.job.meta.limits) === null,
    );
    return inTurn ? "others wait already" : null;
  }

  #excessOfUser(user: string, share: Share): string | null {
    const quota = quotaOf(this.#quotas, user);
    return boundsShares(quota) ? excess(quota, this.use(user), share, user) : null;
  }

  #excessOfAll(share: Share): string | null {
    const { total } = this.#quotas;
    return boundsShares(total) ? excess(total, this.useOfAll(), share, "the server") : null;
  }

  #remove({ job }: Waiting): void {
    const { user } = job.meta;
    const rest = (this.#waiting.get(user) ?? []).filter((each) => each.job !== job);
    if (rest.length === 0) this.#waiting.delete(user);
    else this.#waiting.set(user, rest);
    this.#left.delete(job);
    job.queued = false;
  }
}
