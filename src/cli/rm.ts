import { Command } from "commander";
import { resolveJob } from "../client/job-id.ts";
import { removeJob } from "../client/jobs.ts";
import { addConnectionOptions } from "./connection-options.ts";
import { forEachJob, withPodium } from "./with-podium.ts";

export function rmCommand(): Command {
  const command = new Command("rm").argument("<id...>", "ids or names of jobs").action(remove);
  return addConnectionOptions(command);
}

async function remove(ids: string[], _options: object, command: Command): Promise<void> {
  await withPodium(command, async (podium) => {
    await forEachJob(podium, ids, async (text) => {
      await removeJob(podium, await resolveJob(podium, text));
    });
  });
}
