import { Command } from "commander";
import { resolveJob } from "../client/job-id.ts";
import { addConnectionOptions } from "./connection-options.ts";
import { CliError } from "./failure.ts";
import { copyFromJob, copyIntoJob } from "./transfer.ts";
import { withPodium } from "./with-podium.ts";

export function cpCommand(): Command {
  const command = new Command("cp")
    .usage("[options] SRC DST")
    .argument("<src>", "ID:PATH of a job, or a path of this machine; SRC/. means what is in it")
    .argument("<dst>", "the other of the two")
    .addHelpText(
      "after",
      "\nOf a job that has ended only what is in its work folder is left (run --upload, --download).",
    )
    .action(copy);
  return addConnectionOptions(command);
}

interface JobPath {
  readonly job: string;
  readonly path: string;
}

/** `ID:PATH` or `NAME:PATH`; a path with a `/` before the colon is of this machine. */
function jobPathOf(text: string): JobPath | null {
  const match = /^([^/:]+):(.*)$/s.exec(text);
  return match === null ? null : { job: match[1] as string, path: match[2] === "" ? "." : (match[2] as string) };
}

async function copy(source: string, target: string, _options: object, command: Command): Promise<void> {
  const [from, to] = [jobPathOf(source), jobPathOf(target)];
  if ((from === null) === (to === null)) {
    const what = from === null ? "neither SRC nor DST is in a job" : "SRC and DST are both in a job";
    throw new CliError(`cp: ${what}`, "write the job's side as ID:PATH, for example 7:/work/out");
  }
  await withPodium(command, async (podium) => {
    if (from !== null) await copyFromJob(podium, await resolveJob(podium, from.job), from.path, target);
    else if (to !== null) await copyIntoJob(podium, source, await resolveJob(podium, to.job), to.path);
  });
}
