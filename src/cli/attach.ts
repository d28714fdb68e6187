import { Command, Option } from "commander";
import type { Podium } from "../client/connect.ts";
import { resolveJob } from "../client/job-id.ts";
import { jobStatus } from "../client/jobs.ts";
import type { JobInfo } from "../gen/podium.ts";
import { addConnectionOptions } from "./connection-options.ts";
import { count } from "./counts.ts";
import { exitCodeOfJob, tellUnusualEnd } from "./end-of-job.ts";
import { CliError, tell } from "./failure.ts";
import { LocalTerminal } from "./local-terminal.ts";
import { streamed } from "./plain-session.ts";
import { interact } from "./terminal-session.ts";
import { explained, withPodium } from "./with-podium.ts";

/** About ten screens. */
const usualLines = 250n;

interface Options {
  readonly lines: bigint;
  readonly stdin: boolean;
}

/** With its default in words: commander cannot print a bigint. */
function linesOption(): Option {
  const option = new Option("-n, --lines <LINES>", "lines of its earlier output to show first");
  return option.argParser(count).default(usualLines, String(usualLines));
}

export function attachCommand(): Command {
  const command = new Command("attach")
    .argument("<id>", "id or name of a running job")
    .addOption(linesOption())
    .option("--no-stdin", "only watch")
    .addHelpText("after", "\nCtrl-P Ctrl-Q leaves a job with a terminal running, Ctrl-C one without.")
    .action(attach);
  return addConnectionOptions(command);
}

async function attach(text: string, options: Options, command: Command): Promise<void> {
  await withPodium(command, async (podium) => {
    const found = await jobStatus(podium, await resolveJob(podium, text));
    const { id } = found;
    if (found.outcome !== undefined) throw new CliError(`job ${id} has ended`, `to see its output: podium logs ${id}`);
    try {
      const job = await session(podium, found, options);
      if (job === null) return tell(`left job ${id} running; to come back: podium attach ${id}`);
      tellUnusualEnd(job);
      process.exitCode ||= exitCodeOfJob(job);
    } catch (error) {
      const { message } = await explained(error, podium);
      throw new CliError(`job ${id}: ${message}`, `to go on with it: podium attach ${id}`, error);
    }
  });
}

/** null: the user has left it running. */
function session(podium: Podium, { id, terminal, stdin }: JobInfo, options: Options): Promise<JobInfo | null> {
  const typing = stdin && options.stdin;
  const never = new AbortController().signal;
  if (!terminal) return streamed(podium, id, typing, { tailLines: options.lines }, never);
  const here = process.stdin.isTTY ? LocalTerminal.demand("attach") : null;
  return interact(podium, id, here, { typing, tailLines: options.lines, redraw: true }, never);
}
