// Changing the limits of a running job: all of what was asked for, or nothing.
import { RequestError } from "../../sandbox/request-error.ts";
import type { Admission } from "./admission.ts";
import { InvalidRequest, NotRunning } from "./errors.ts";
import type { Executor } from "./executor.ts";
import { type JobMeta, rewriteMeta } from "./folder.ts";
import type { Job } from "./job.ts";
import { changedLimits, type LimitChange } from "./limit-change.ts";
import type { Policy } from "./policy.ts";
import { refusedField } from "./refusals.ts";

interface Parts {
  readonly executor: Executor;
  readonly policy: Policy;
  readonly admission: Admission;
}

/** Throws NotRunning; InvalidRequest and its kin with everything as it was. */
export async function updateJob({ executor, policy, admission }: Parts, job: Job, change: LimitChange): Promise<void> {
  const { meta } = job;
  const { limits, timeoutMs } = wanted(meta, change, policy);
  if (job.queued) throw new InvalidRequest("id", `job ${job.id} waits in the queue`, "update it when it runs");
  admission.checkChange(job, limits);
  if (job.outcome !== null) throw new NotRunning(job.id);
  const control = timeoutMs === meta.timeoutMs ? null : await executor.control(job.folder);
  if (job.outcome !== null || (control === null && timeoutMs !== meta.timeoutMs)) throw new NotRunning(job.id);
  const update = (was: JobMeta["limits"], now: JobMeta["limits"]) =>
    executor.updateLimits(String(job.id), { was, now, folders: meta.folders ?? [] });
  update(meta.limits, limits);
  const changed = { ...meta, limits, timeoutMs };
  try {
    rewriteMeta(job.folder, changed);
    control?.timeout(timeoutMs);
  } catch (error) {
    update(limits, meta.limits); // what nobody could read later does not hold either
    throw error;
  } finally {
    control?.close();
  }
  job.meta = changed;
}

function wanted(meta: JobMeta, change: LimitChange, policy: Policy) {
  try {
    return changedLimits(meta, change, policy);
  } catch (error) {
    throw error instanceof RequestError ? refusedField(error) : error;
  }
}
