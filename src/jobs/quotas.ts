// How much of the server one user may have, and all users together. 0 = none.
import { Exhausted, InvalidRequest } from "./errors.ts";

export interface Quota {
  /** Jobs that run at once. */
  readonly jobs: number;
  readonly startsPerMinute: number;
  /** Sums of the limits of the jobs that run. */
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Bytes of job folders, those of finished jobs too. */
  readonly diskBytes: number;
}

export interface QuotaSettings {
  readonly perUser: Quota;
  /** What is otherwise for these users. */
  readonly users: Readonly<Record<string, Partial<Quota>>>;
  readonly total: Quota;
}

/** What a job takes while it runs. */
export interface Share {
  readonly cpus: number;
  readonly memoryBytes: number;
}

export interface QuotaUse extends Share {
  readonly jobs: number;
}

export const noQuota: Quota = { jobs: 0, startsPerMinute: 0, cpus: 0, memoryBytes: 0, diskBytes: 0 };

export function quotaOf({ perUser, users }: QuotaSettings, user: string): Quota {
  return { ...perUser, ...(Object.hasOwn(users, user) ? users[user] : {}) };
}

const measures = [
  { key: "jobs", field: "jobs", noun: "jobs at once" },
  { key: "cpus", field: "cpu", noun: "cores" },
  { key: "memoryBytes", field: "mem", noun: "bytes of memory" },
] as const;

/** What one more job of this share would be too much for, in words; null when it fits. */
export function excess(quota: Quota, used: QuotaUse, share: Share, whose: string): string | null {
  const more = { jobs: 1, ...share };
  for (const { key, noun } of measures) {
    const limit = quota[key];
    if (limit === 0 || !(used[key] + more[key] > limit + tolerance)) continue;
    const wanted = key === "jobs" ? "" : `, and this job asks for ${more[key]}`;
    return `${whose} has ${round(used[key])} of ${limit} ${noun}${wanted}`;
  }
  return null;
}

/** False: there is nothing to compare a share with. */
export function boundsShares({ jobs, cpus, memoryBytes }: Quota): boolean {
  return jobs > 0 || cpus > 0 || memoryBytes > 0;
}

/** Cores are decimals: ten times 0.1 is one. */
const tolerance = 1e-9;

function round(value: number): number {
  return Number(value.toFixed(3));
}

/** A share that can never fit is refused at once, and so is a limitless one where the sum counts. Throws InvalidRequest. */
export function refuseImpossible(quota: Quota, share: Share, whose: string): void {
  for (const { key, field, noun } of measures) {
    const limit = quota[key];
    if (key === "jobs" || limit === 0) continue;
    const most = `ask for at most ${limit}`;
    if (share[key] === 0)
      throw new InvalidRequest(field, `without a limit it would exceed ${whose}'s quota of ${limit} ${noun}`, most);
    if (share[key] > limit + tolerance)
      throw new InvalidRequest(field, `${share[key]} exceeds ${whose}'s quota of ${limit} ${noun}`, most);
  }
}

export function useOf(jobs: Iterable<{ readonly meta: { readonly limits: Share } }>): QuotaUse {
  const sum = { jobs: 0, cpus: 0, memoryBytes: 0 };
  for (const { meta } of jobs) {
    sum.jobs++;
    sum.cpus += meta.limits.cpus;
    sum.memoryBytes += meta.limits.memoryBytes;
  }
  return sum;
}

const minuteMs = 60_000;

/** Starts of the last minute, of each user who has a quota of them. Times are of the monotonic clock: the other may be set. */
export class StartRates {
  readonly #settings: QuotaSettings;
  readonly #starts = new Map<string, number[]>();

  constructor(settings: QuotaSettings) {
    this.#settings = settings;
  }

  count(user: string, now = performance.now()): number {
    return this.#recent(user, now).length;
  }

  /** Throws Exhausted with the time to wait. */
  check(user: string, now = performance.now()): void {
    refuseRate(`${user} has started`, this.#recent(user, now), quotaOf(this.#settings, user).startsPerMinute, now);
    refuseRate(
      "all users together have started",
      this.#recent(everybody, now),
      this.#settings.total.startsPerMinute,
      now,
    );
  }

  /** A start is about to be accepted. */
  add(user: string, at = performance.now()): void {
    for (const who of [user, everybody]) {
      const recent = this.#recent(who, at);
      recent.push(at);
      this.#starts.set(who, recent);
    }
  }

  /** The last one was none. */
  remove(user: string): void {
    for (const who of [user, everybody]) this.#starts.get(who)?.pop();
  }

  /** Oldest first. */
  #recent(user: string, now: number): number[] {
    const starts = this.#starts.get(user) ?? [];
    while ((starts[0] ?? now) <= now - minuteMs) starts.shift();
    if (starts.length === 0) this.#starts.delete(user);
    return starts;
  }
}

/** No user's name is empty. */
const everybody = "";

function refuseRate(who: string, starts: readonly number[], limit: number, now: number): void {
  if (limit === 0 || starts.length < limit) return;
  const seconds = Math.max(1, Math.ceil(((starts[starts.length - limit] ?? now) + minuteMs - now) / 1000));
  throw new Exhausted(
    `${who} ${starts.length} jobs within a minute, and ${limit} are allowed; try again in ${seconds} s`,
  );
}
