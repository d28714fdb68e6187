import { Command, Option } from "commander";
import type { Podium } from "../client/connect.ts";
import { removeJob, waitForJob } from "../client/jobs.ts";
import { startJob } from "../client/start.ts";
import { stopJob } from "../client/stop.ts";
import type { JobInfo, StartRequest } from "../gen/podium.ts";
import { refuseUndecodableArguments } from "./argument-bytes.ts";
import { addConnectionOptions } from "./connection-options.ts";
import { exitCodeOfJob, failedStart, tellUnusualEnd } from "./end-of-job.ts";
import { CliError, tell } from "./failure.ts";
import { Interrupts } from "./interrupts.ts";
import { LocalTerminal, localSize } from "./local-terminal.ts";
import { printLines, ReaderGone } from "./output.ts";
import { streamed } from "./plain-session.ts";
import { tellQueued } from "./queued-start.ts";
import { addStartOptions, type StartOptions, startRequestOf } from "./start-request.ts";
import { interact } from "./terminal-session.ts";
import { explained, withPodium } from "./with-podium.ts";
import { addWorkOptions, downloadResults, type WorkOptions, withWork } from "./work-options.ts";

interface RunOptions extends StartOptions, WorkOptions {
  readonly interactive?: true;
  readonly tty?: true;
  readonly detach?: true;
  readonly rm?: true;
}

export function runCommand(): Command {
  const command = new Command("run")
    .usage("[options] [--] CMD [ARG...]")
    .argument("<command...>", "program and its arguments")
    .passThroughOptions()
    .option("-i, --interactive", "pass stdin")
    .option("-t, --tty", "give it a terminal; Ctrl-P Ctrl-Q leaves it running, podium attach comes back to it")
    .addOption(new Option("-d, --detach", "print the id and return").conflicts("rm"))
    .option("--rm", "remove the job when it has finished")
    .action(run);
  return addConnectionOptions(addWorkOptions(addStartOptions(command)));
}

async function run(argv: string[], options: RunOptions, command: Command): Promise<void> {
  refuseUndecodableArguments();
  const { interactive = false, detach = false, tty = false } = options;
  if (detach && interactive && !tty)
    throw new CliError("run: -d and -i: nobody would feed its stdin", "add -t, or leave one out");
  // Asked before anything is started.
  const terminal = tty && !detach ? LocalTerminal.demand("-t") : null;
  const asked = startRequestOf({ argv }, options, interactive, tty ? localSize() : undefined);
  await withPodium(command, async (podium) => {
    const request = await withWork(podium, asked, options);
    const job = detach ? await started(podium, request) : await ended(podium, request, terminal);
    if (job === null) return;
    process.exitCode ||= exitCodeOfJob(job);
    if (options.detach !== true) await downloadResults(podium, job, options);
    if (options.rm === true) await removeJob(podium, job.id);
  });
}

/** Prints the id; null unless the job has failed to start. */
async function started(podium: Podium, request: StartRequest): Promise<JobInfo | null> {
  try {
    using _told = tellQueued(podium, request);
    await printLines(String(await startJob(podium, request)));
    return null;
  } catch (error) {
    return failedStart(podium, request, error);
  }
}

/** The job at its end, all of its output written; null when the user has left it running. */
async function ended(podium: Podium, request: StartRequest, terminal: LocalTerminal | null): Promise<JobInfo | null> {
  using interrupts = new Interrupts(podium, request);
  let id: bigint;
  try {
    using _told = tellQueued(podium, request);
    id = await startJob(podium, request, interrupts.signal);
  } catch (error) {
    return failedStart(podium, request, error);
  }
  interrupts.nowStop(id);
  try {
    const job =
      terminal === null
        ? await streamed(podium, id, request.stdin, {}, interrupts.signal)
        : await interact(podium, id, terminal, { typing: request.stdin }, interrupts.signal);
    if (job === null) tell(`left job ${id} running; to come back: podium attach ${id}`);
    else tellUnusualEnd(job);
    return job;
  } catch (error) {
    if (error instanceof ReaderGone) return unread(podium, id);
    const { message } = await explained(error, podium);
    throw new CliError(`job ${id}: ${message}`, wayBack(id, terminal !== null), error);
  }
}

function wayBack(id: bigint, terminal: boolean): string {
  return terminal ? `to go on with it: podium attach ${id}` : `to see how it goes on: podium logs -f ${id}`;
}

/** Nobody reads the output any more: ends the job, as a pipe would have ended it here. */
async function unread(podium: Podium, id: bigint): Promise<JobInfo> {
  await stopJob(podium, id);
  return waitForJob(podium, id);
}
