import { Command, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../../sandbox/units.ts";
import { resolveJob } from "../client/job-id.ts";
import { stopJob } from "../client/stop.ts";
import { addConnectionOptions } from "./connection-options.ts";
import { forEachJob, withPodium } from "./with-podium.ts";

interface Options {
  readonly signal: string;
  readonly grace: number;
}

export function stopCommand(): Command {
  const graceOption = new Option("--grace <DURATION>", "time until whatever is left is killed");
  const command = new Command("stop")
    .argument("<id...>", "ids or names of jobs")
    .option("--signal <SIGNAL>", "signal to begin with", "TERM")
    .addOption(graceOption.argParser(grace).default(10_000, "10s"))
    .action(stop);
  return addConnectionOptions(command);
}

async function stop(ids: string[], { signal, grace: graceMs }: Options, command: Command): Promise<void> {
  await withPodium(command, async (podium) => {
    await forEachJob(podium, ids, async (text) => {
      const id = await resolveJob(podium, text);
      await stopJob(podium, id, { signal, graceMs });
    });
  });
}

function grace(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds !== null) return milliseconds;
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a duration; write it like 500ms, 10s or 0s.`);
}
