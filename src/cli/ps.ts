import { Command } from "commander";
import { listJobs } from "../client/jobs.ts";
import type { JobInfo, ListFilter } from "../gen/podium.ts";
import { addConnectionOptions } from "./connection-options.ts";
import { jobJson } from "./job-json.ts";
import { jobTable } from "./job-text.ts";
import { encodeJson } from "./json.ts";
import { filterOf } from "./list-filter.ts";
import { printLines } from "./output.ts";
import { addOutputFormat, type OutputFormat } from "./output-format.ts";
import { withPodium } from "./with-podium.ts";

interface Options extends OutputFormat {
  readonly all?: true;
  readonly filter?: ListFilter;
}

export function psCommand(): Command {
  const command = new Command("ps")
    .option("-a, --all", "finished jobs too")
    .option("--filter <KEY=VALUE>", "only those with label=K[=V], name=N, state=S or user=U; repeatable", filterOf)
    .action(list);
  return addConnectionOptions(addOutputFormat(command));
}

async function list({ all, filter, output }: Options, command: Command): Promise<void> {
  await withPodium(command, async (podium) => {
    const jobs: JobInfo[] = [];
    for await (const job of listJobs(podium, { all: all === true, ...(filter && { filter }) })) jobs.push(job);
    if (output === "json") await printLines(encodeJson(jobs.map(jobJson)));
    else await printLines(...jobTable(jobs, new Date(), process.stdout.columns));
  });
}
