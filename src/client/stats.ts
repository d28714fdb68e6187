// Live usage of jobs.
import { type JobStats, JobsService, StatsRequest } from "../gen/podium.ts";
import { serverStream } from "./call.ts";
import type { Podium } from "./connect.ts";

export interface StatsSelection {
  /** Default: all running jobs. */
  readonly id?: bigint | undefined;
  /** Milliseconds between two readings; default: one reading alone. */
  readonly intervalMs?: number;
}

/** One array of figures for each reading; of one job to its end, of all until the signal. Throws CallFailure. */
export async function* jobStats(
  podium: Podium,
  { id = 0n, intervalMs = 0 }: StatsSelection = {},
  signal?: AbortSignal,
): AsyncGenerator<readonly JobStats[]> {
  const request = StatsRequest.create({ id, intervalMs: BigInt(intervalMs) });
  for await (const { jobs } of serverStream(podium, JobsService.stats, request, signal)) yield jobs;
}
