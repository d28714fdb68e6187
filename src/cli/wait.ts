import { Command } from "commander";
import { resolveJob } from "../client/job-id.ts";
import { jobStatus, waitForJob } from "../client/jobs.ts";
import { addConnectionOptions } from "./connection-options.ts";
import { exitCodeOfJob, tellUnusualEnd } from "./end-of-job.ts";
import { forEachJob, withPodium } from "./with-podium.ts";

export function waitCommand(): Command {
  const command = new Command("wait").argument("<id...>", "ids or names of jobs").action(wait);
  return addConnectionOptions(command);
}

async function wait(ids: string[], _options: object, command: Command): Promise<void> {
  const jobs = await withPodium(command, (podium) =>
    forEachJob(podium, ids, async (text) => {
      const id = await resolveJob(podium, text);
      // Finds a server that is not there at once; from here on a lost connection is worth waiting for.
      await jobStatus(podium, id);
      const job = await waitForJob(podium, id);
      tellUnusualEnd(job);
      return job;
    }),
  );
  process.exitCode ||= jobs.map(exitCodeOfJob).find((code) => code !== 0) ?? 0;
}
