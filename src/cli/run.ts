import { Command, Option } from "commander";
import { CallFailure, isInterruption } from "../client/call-failure.ts";
import type { Podium } from "../client/connect.ts";
import { removeJob, waitForJob } from "../client/jobs.ts";
import { followLogs } from "../client/logs.ts";
import { ConnectionLost } from "../client/resume.ts";
import { feedStdin } from "../client/session.ts";
import { startJob } from "../client/start.ts";
import { stopJob } from "../client/stop.ts";
import type { JobInfo, StartRequest } from "../gen/podium.ts";
import { refuseUndecodableArguments } from "./argument-bytes.ts";
import { addConnectionOptions } from "./connection-options.ts";
import { exitCodeOfJob, failedStart, tellUnusualEnd } from "./end-of-job.ts";
import { CliError, report } from "./failure.ts";
import { Interrupts } from "./interrupts.ts";
import { tellGap } from "./log-gap.ts";
import { printLines, ReaderGone, write } from "./output.ts";
import { ownInput } from "./own-input.ts";
import { tellQueued } from "./queued-start.ts";
import { addStartOptions, type StartOptions, startRequestOf } from "./start-request.ts";
import { explained, withPodium } from "./with-podium.ts";
import { addWorkOptions, downloadResults, type WorkOptions, withWork } from "./work-options.ts";

interface RunOptions extends StartOptions, WorkOptions {
  readonly interactive?: true;
  readonly detach?: true;
  readonly rm?: true;
}

export function runCommand(): Command {
  const command = new Command("run")
    .usage("[options] [--] CMD [ARG...]")
    .argument("<command...>", "program and its arguments")
    .passThroughOptions()
    .option("-i, --interactive", "pass stdin")
    .addOption(new Option("-d, --detach", "print the id and return").conflicts(["interactive", "rm"]))
    .option("--rm", "remove the job when it has finished")
    .action(run);
  return addConnectionOptions(addWorkOptions(addStartOptions(command)));
}

async function run(argv: string[], options: RunOptions, command: Command): Promise<void> {
  refuseUndecodableArguments();
  const asked = startRequestOf({ argv }, options, options.interactive === true);
  await withPodium(command, async (podium) => {
    const request = await withWork(podium, asked, options);
    const job = options.detach === true ? await started(podium, request) : await ended(podium, request);
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

/** The job at its end, all of its output written. */
async function ended(podium: Podium, request: StartRequest): Promise<JobInfo> {
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
    const job = await streamed(podium, id, request.stdin, interrupts.signal);
    tellUnusualEnd(job);
    return job;
  } catch (error) {
    if (error instanceof ReaderGone) return unread(podium, id);
    const { message } = await explained(error, podium);
    throw new CliError(`job ${id}: ${message}`, `to see how it goes on: podium logs -f ${id}`, error);
  }
}

async function streamed(podium: Podium, id: bigint, stdin: boolean, leave: AbortSignal): Promise<JobInfo> {
  const lost = new AbortController();
  const signal = AbortSignal.any([leave, lost.signal]);
  const input = stdin ? ownInput() : null;
  if (input !== null) {
    feedStdin(podium, id, input, signal).catch((error) => {
      if (isInterruption(error)) lost.abort(new ConnectionLost(error));
      else if (!signal.aborted && !input.destroyed) tellLostInput(error);
    });
  }
  try {
    for await (const piece of followLogs(podium, id, {}, signal)) {
      tellGap(id, piece);
      await write(piece.stream, piece.bytes);
    }
    return await waitForJob(podium, id, signal);
  } finally {
    input?.destroy();
  }
}

/** A job that was over before its input came needed none. */
function tellLostInput(error: unknown): void {
  if (error instanceof CallFailure && error.status === "FAILED_PRECONDITION") return;
  const { code, message } = error as NodeJS.ErrnoException;
  report(new CliError(`stdin: ${code === undefined ? message : `cannot be read: ${code}`}`));
}

/** Nobody reads the output any more: ends the job, as a pipe would have ended it here. */
async function unread(podium: Podium, id: bigint): Promise<JobInfo> {
  await stopJob(podium, id);
  return waitForJob(podium, id);
}
