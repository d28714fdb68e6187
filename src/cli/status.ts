import { Command } from "commander";
import { resolveJob } from "../client/job-id.ts";
import { jobStatus } from "../client/jobs.ts";
import { addConnectionOptions } from "./connection-options.ts";
import { jobJson } from "./job-json.ts";
import { jobLines } from "./job-text.ts";
import { encodeJson } from "./json.ts";
import { printLines } from "./output.ts";
import { addOutputFormat, type OutputFormat } from "./output-format.ts";
import { withPodium } from "./with-podium.ts";

export function statusCommand(): Command {
  const command = new Command("status").argument("<id>", "id or name of a job").action(status);
  return addConnectionOptions(addOutputFormat(command));
}

async function status(text: string, { output }: OutputFormat, command: Command): Promise<void> {
  await withPodium(command, async (podium) => {
    const job = await jobStatus(podium, await resolveJob(podium, text));
    await printLines(...(output === "json" ? [encodeJson(jobJson(job))] : jobLines(job, new Date())));
  });
}
