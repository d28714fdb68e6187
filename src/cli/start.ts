import { Command } from "commander";
import { startJob } from "../client/start.ts";
import { refuseUndecodableArguments } from "./argument-bytes.ts";
import { addConnectionOptions } from "./connection-options.ts";
import { exitCodeOfJob, failedStart } from "./end-of-job.ts";
import { CliError } from "./failure.ts";
import { printLines } from "./output.ts";
import { tellQueued } from "./queued-start.ts";
import { addStartOptions, type Runnable, type StartOptions, startRequestOf } from "./start-request.ts";
import { withPodium } from "./with-podium.ts";
import { addWorkOptions, type WorkOptions, withWork } from "./work-options.ts";

interface Options extends StartOptions, WorkOptions {
  readonly shell?: string;
}

export function startCommand(): Command {
  const command = new Command("start")
    .usage("[options] [--] CMD [ARG...]")
    .argument("[command...]", "program and its arguments")
    .passThroughOptions()
    .option("--shell <LINE>", "a line for /bin/sh -c in place of CMD")
    .action(start);
  return addConnectionOptions(addWorkOptions(addStartOptions(command)));
}

async function start(argv: string[], options: Options, command: Command): Promise<void> {
  refuseUndecodableArguments();
  const asked = startRequestOf(runnableOf(argv, options.shell), options, false);
  await withPodium(command, async (podium) => {
    const request = await withWork(podium, asked, options);
    let id: bigint;
    try {
      using _told = tellQueued(podium, request);
      id = await startJob(podium, request);
    } catch (error) {
      process.exitCode = exitCodeOfJob(await failedStart(podium, request, error));
      return;
    }
    await printLines(String(id));
  });
}

function runnableOf(argv: readonly string[], shell: string | undefined): Runnable {
  if (shell === undefined && argv.length > 0) return { argv };
  if (shell !== undefined && argv.length === 0) return { cmd: shell };
  if (shell === undefined) throw new CliError("start: no command is given", "podium start CMD, or --shell 'LINE'");
  throw new CliError("start: both --shell and a command are given", "give one of them");
}
