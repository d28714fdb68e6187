// Which finished jobs go by themselves: the oldest first, each user's own bounds before those of all. Never one that runs.

/** 0 = no bound. */
export interface RetentionBounds {
  /** Since the job ended. */
  readonly ageMs: number;
  /** Finished jobs. */
  readonly count: number;
  /** Of their folders. */
  readonly bytes: number;
}

export const noBounds: RetentionBounds = { ageMs: 0, count: 0, bytes: 0 };

export interface RetentionSettings {
  readonly perUser: RetentionBounds;
  readonly users: Readonly<Record<string, Partial<RetentionBounds>>>;
  readonly total: RetentionBounds;
  /** A job stays so long after its end, whatever the bounds say: whoever waits for it is to see it. Not one that ended later than now: the clock was set back. */
  readonly atLeastMs: number;
}

export interface FinishedJob {
  readonly id: number;
  readonly user: string;
  readonly finishedAtMs: number;
  readonly bytes: number;
}

function retentionOf({ perUser, users }: RetentionSettings, user: string): RetentionBounds {
  return { ...perUser, ...(Object.hasOwn(users, user) ? users[user] : {}) };
}

/** True when nothing is ever removed. */
export function keepsAll({ perUser, users, total }: RetentionSettings): boolean {
  return [perUser, total, ...Object.values(users)].every((bounds) =>
    Object.values(bounds).every((bound) => bound === 0),
  );
}

/** True when the sizes of folders matter. */
export function countsBytes({ perUser, users, total }: RetentionSettings): boolean {
  return [perUser, total, ...Object.values(users)].some(({ bytes = 0 }) => bytes > 0);
}

/** Ids of the jobs that have to go. */
export function overdue(jobs: readonly FinishedJob[], settings: RetentionSettings, nowMs: number): number[] {
  const newestFirst = jobs.toSorted((a, b) => b.finishedAtMs - a.finishedAtMs || b.id - a.id);
  const total = new Tally(settings.total);
  const own = new Map<string, Tally>();
  const gone: number[] = [];
  for (const job of newestFirst) {
    const mine = own.get(job.user) ?? new Tally(retentionOf(settings, job.user));
    own.set(job.user, mine);
    const ageMs = nowMs - job.finishedAtMs;
    if (Math.abs(ageMs) < settings.atLeastMs || (mine.hasRoom(job, ageMs) && total.hasRoom(job, ageMs))) {
      for (const tally of [mine, total]) tally.keep(job);
    } else gone.push(job.id);
  }
  return gone.sort((a, b) => a - b);
}

/** What is kept so far of one owner. */
class Tally {
  readonly #bounds: RetentionBounds;
  #count = 0;
  #bytes = 0;

  constructor(bounds: RetentionBounds) {
    this.#bounds = bounds;
  }

  hasRoom({ bytes }: FinishedJob, ageMs: number): boolean {
    const bounds = this.#bounds;
    return (
      (bounds.ageMs === 0 || ageMs <= bounds.ageMs) &&
      (bounds.count === 0 || this.#count < bounds.count) &&
      (bounds.bytes === 0 || this.#bytes + bytes <= bounds.bytes)
    );
  }

  keep({ bytes }: FinishedJob): void {
    this.#count++;
    this.#bytes += bytes;
  }
}
