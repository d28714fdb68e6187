import { Command, InvalidArgumentError, Option } from "commander";
import { resolveJob } from "../client/job-id.ts";
import { jobStatus } from "../client/jobs.ts";
import { followLogs, logsOf, type StreamName } from "../client/logs.ts";
import { addConnectionOptions } from "./connection-options.ts";
import { tellGap } from "./log-gap.ts";
import { write } from "./output.ts";
import { withPodium } from "./with-podium.ts";

interface Options {
  readonly follow?: true;
  readonly stream?: StreamName;
  readonly offset?: bigint;
  readonly lines?: bigint;
}

export function logsCommand(): Command {
  const command = new Command("logs")
    .argument("<id>", "id or name of a job")
    .option("-f, --follow", "follow it to the end of the job")
    .addOption(
      new Option("--stream <STREAM>", "one stream, to stdout (default: each to its own)").choices(["stdout", "stderr"]),
    )
    .addOption(new Option("--offset <N>", "byte of each stream to begin with").argParser(count).conflicts("lines"))
    .addOption(new Option("-n, --lines <LINES>", "last lines of each stream to begin with").argParser(count))
    .action(logs);
  return addConnectionOptions(command);
}

async function logs(text: string, options: Options, command: Command): Promise<void> {
  const { stream: only, offset, lines: tailLines } = options;
  const selection = { stream: only, offset, tailLines };
  await withPodium(command, async (podium) => {
    const id = await resolveJob(podium, text);
    // Finds a server that is not there at once; from here on a lost connection is worth waiting for.
    if (options.follow === true) await jobStatus(podium, id);
    const pieces = options.follow === true ? followLogs(podium, id, selection) : logsOf(podium, id, selection);
    for await (const piece of pieces) {
      tellGap(id, piece);
      await write(only === undefined ? piece.stream : "stdout", piece.bytes);
    }
  });
}

function count(text: string): bigint {
  const value = /^\d{1,19}$/.test(text) ? BigInt(text) : -1n;
  if (value >= 0n && value < 2n ** 63n) return value;
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a whole number from 0 up.`);
}
