// Jobs.Stats: what jobs use, once or again and again.
import { setTimeout } from "node:timers/promises";
import type { JobStats, StatsRequest, StatsResponse } from "../../gen/podium.ts";
import { InvalidRequest } from "../../jobs/errors.ts";
import type { Job } from "../../jobs/job.ts";
import type { Caller, Jobs } from "../../jobs/jobs.ts";
import type { Send } from "../calls.ts";
import { jobInfo } from "../wire.ts";

const shortestMs = 100;
const longestMs = 60_000;
const running = { all: false, name: "", filter: { labels: [], states: [], users: [], names: [] } };

export async function stats(
  jobs: Jobs,
  caller: Caller,
  { id, intervalMs }: StatsRequest,
  send: Send<StatsResponse>,
  signal: AbortSignal,
): Promise<void> {
  const interval = intervalOf(intervalMs);
  const one = id === 0n ? null : jobs.find(caller, id);
  const shares = new CpuShares();
  while (!signal.aborted) {
    const found = one === null ? jobs.list(caller, running) : [jobs.find(caller, id)];
    if (!(await send({ jobs: found.map((job) => statsOf(jobs, job, shares)) }))) return;
    if (interval === 0 || (one !== null && one.outcome !== null)) return;
    await next(interval, one, signal);
  }
}

/** The moment of the next message: after the interval, and at once when the one job has ended. */
async function next(intervalMs: number, one: Job | null, signal: AbortSignal): Promise<void> {
  const early = new AbortController();
  const either = AbortSignal.any([signal, early.signal]);
  void one?.ended(either).then(() => early.abort());
  await setTimeout(intervalMs, undefined, { signal: either }).catch(() => {}); // aborted: that moment has come
  early.abort();
}

function intervalOf(intervalMs: bigint): number {
  if (intervalMs === 0n || (intervalMs >= BigInt(shortestMs) && intervalMs <= BigInt(longestMs)))
    return Number(intervalMs);
  throw new InvalidRequest(
    "interval_ms",
    `${intervalMs} is not from ${shortestMs} to ${longestMs}`,
    "0 asks for one message alone",
  );
}

function statsOf(jobs: Jobs, job: Job, shares: CpuShares): JobStats {
  const { id, name, user, state, limits, usage } = jobInfo(job, jobs.usage(job));
  return { id, name, user, state, limits, usage, cpuPercent: shares.percent(job, usage?.cpuSeconds ?? 0) };
}

interface Reading {
  readonly atMs: number;
  readonly cpuSeconds: number;
}

/** Percent of one core between two readings of each job. */
class CpuShares {
  readonly #last = new Map<number, Reading>();

  percent(job: Job, cpuSeconds: number): number {
    const atMs = job.outcome?.finishedAtMs ?? Date.now();
    const began = { atMs: job.startedAtMs || atMs, cpuSeconds: 0 };
    const last = this.#last.get(job.id) ?? began;
    this.#last.set(job.id, { atMs, cpuSeconds });
    const seconds = (atMs - last.atMs) / 1000;
    // The clock may be set back in between.
    return seconds <= 0 ? 0 : Math.max(0, ((cpuSeconds - last.cpuSeconds) / seconds) * 100);
  }
}
