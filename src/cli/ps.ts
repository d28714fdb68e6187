import { Command } from "commander";
import { listJobs } from "../client/jobs.ts";
import type { JobInfo } from "../gen/podium.ts";
import { addConnectionOptions } from "./connection-options.ts";
import { jobJson } from "./job-json.ts";
import { jobTable } from "./job-text.ts";
import { encodeJson } from "./json.ts";
import { printLines } from "./output.ts";
import { addOutputFormat, type OutputFormat } from "./output-format.ts";
import { withPodium } from "./with-podium.ts";

interface Options extends OutputFormat {
  readonly all?: true;
}

export function psCommand(): Command {
  const command = new Command("ps").option("-a, --all", "finished jobs too").action(list);
  return addConnectionOptions(addOutputFormat(command));
}

async function list({ all, output }: Options, command: Command): Promise<void> {
  await withPodium(command, async (podium) => {
    const jobs: JobInfo[] = [];
    for await (const job of listJobs(podium, { all: all === true })) jobs.push(job);
    if (output === "json") await printLines(encodeJson(jobs.map(jobJson)));
    else await printLines(...jobTable(jobs, new Date(), process.stdout.columns));
  });
}
