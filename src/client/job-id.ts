import type { Podium } from "./connect.ts";
import { listJobs } from "./jobs.ts";

/** What was typed names no job. */
class NoSuchJob extends Error {
  override readonly name = "NoSuchJob";
}

const highestId = 2n ** 63n - 1n;

/** The id that `text` is, or the id of the caller's own job of that name. Throws NoSuchJob, CallFailure. */
export async function resolveJob(podium: Podium, text: string, signal?: AbortSignal): Promise<bigint> {
  if (/^\d+$/.test(text)) return idOf(text);
  if (text === "") throw new NoSuchJob("the job's id is empty");
  for await (const job of listJobs(podium, { all: true, name: text }, signal)) return job.id;
  throw new NoSuchJob(`you have no job named ${JSON.stringify(text)}`);
}

function idOf(text: string): bigint {
  const id = BigInt(text);
  if (id >= 1n && id <= highestId) return id;
  throw new NoSuchJob(`${text} is no job id; ids are whole numbers from 1 to 2^63 - 1`);
}
