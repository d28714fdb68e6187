// `--upload DIR` and `--download PATH`: a work folder for the job, and what comes back of it.
import { type Command, InvalidArgumentError } from "commander";
import type { Podium } from "../client/connect.ts";
import type { JobInfo, StartRequest } from "../gen/podium.ts";
import { keptFiles } from "../jobs/kept-files.ts";
import { firstKeptId } from "../jobs/work-grant.ts";
import type { WorkSteps } from "../local/work.ts";
import { cliErrorOf, report } from "./failure.ts";
import { copyFromHere, copyFromJob, upload, uploadHere } from "./transfer.ts";
import { explained } from "./with-podium.ts";

export interface Download {
  readonly path: string;
  readonly target: string;
}

export interface WorkOptions {
  readonly upload?: string;
  readonly download?: readonly Download[];
}

export function addWorkOptions(command: Command): Command {
  return command
    .option("--upload <DIR>", "send this folder: it is the job's own cwd (at --cwd, or /work)")
    .option(
      "--download <PATH[::DEST]>",
      "bring this of the cwd back at the end, also after a failure; repeatable",
      downloadOf,
    );
}

function downloadOf(text: string, previous: readonly Download[] = []): Download[] {
  const [path = "", target = ".", ...more] = text.split("::");
  if (path === "" || target === "" || more.length > 0) {
    throw new InvalidArgumentError(`${JSON.stringify(text)} is not PATH or PATH::DEST; write it like out::./results.`);
  }
  return [...previous, { path, target }];
}

/** The request with its work folder, the upload already sent. */
export async function withWork(podium: Podium, request: StartRequest, options: WorkOptions): Promise<StartRequest> {
  if (options.upload === undefined && options.download === undefined) return request;
  const id = options.upload === undefined ? "" : await upload(podium, options.upload);
  return { ...request, work: { upload: id } };
}

/** After the job's end. */
export async function downloadResults(podium: Podium, job: JobInfo, { download = [] }: WorkOptions): Promise<void> {
  if (job.startedAt === undefined) return; // it has never run
  for (const wanted of download) {
    await tryDownload(wanted, () =>
      copyFromJob(podium, job.id, wanted.path, wanted.target).catch(async (error) => {
        throw await explained(error, podium);
      }),
    );
  }
}

/** What does not come back is told, and the job's own exit code stays, unless it is 0. */
async function tryDownload({ path }: Download, copy: () => Promise<void>): Promise<void> {
  try {
    await copy();
  } catch (error) {
    const exitCode = process.exitCode;
    report(cliErrorOf(new Error(`--download ${path}: ${(error as Error).message}`, { cause: error })));
    process.exitCode = exitCode || process.exitCode;
  }
}

/** The same on this machine; `cwd` is where the job sees its work folder. null: nothing is to be copied. */
export function localWork({ upload: source, download }: WorkOptions, cwd: string): WorkSteps | null {
  if (source === undefined && download === undefined) return null;
  return {
    fill: async (folder, interrupted) => {
      if (source !== undefined) await uploadHere(source, folder, firstKeptId, interrupted);
    },
    collect: async (folder, interrupted) => {
      for (const { path, target } of download ?? []) {
        const copy = () => copyFromHere(keptFiles({ folder, inside: cwd }, path), path, target, interrupted);
        await tryDownload({ path, target }, copy);
      }
    },
  };
}
