import { Command, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../../sandbox/units.ts";
import { resolveJob } from "../client/job-id.ts";
import { jobStatus } from "../client/jobs.ts";
import { followLogs, logsOf, type Moment, type StreamName } from "../client/logs.ts";
import { addConnectionOptions } from "./connection-options.ts";
import { count } from "./counts.ts";
import { tellGap } from "./log-gap.ts";
import { TimedLines } from "./log-times.ts";
import { write } from "./output.ts";
import { parseTime } from "./time.ts";
import { withPodium } from "./with-podium.ts";

interface Options {
  readonly follow?: true;
  readonly stream?: StreamName;
  readonly offset?: bigint;
  readonly lines?: bigint;
  readonly since?: Moment;
  readonly until?: Moment;
  readonly timestamps?: true;
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
    .option(
      "--since <TIME|DURATION>",
      "nothing older: 10m, 2026-11-26T13:00:00Z or, in local time, 2026-11-26 13:00",
      moment,
    )
    .option("--until <TIME|DURATION>", "nothing younger; written alike", moment)
    .option("-t, --timestamps", "begin each line with the time at which it was written")
    .action(logs);
  return addConnectionOptions(command);
}

async function logs(text: string, options: Options, command: Command): Promise<void> {
  const { stream: only, offset, lines: tailLines, since, until, timestamps } = options;
  const selection = { stream: only, offset, tailLines, since, until, timestamps };
  const timed = timestamps === true ? new TimedLines() : null;
  await withPodium(command, async (podium) => {
    const id = await resolveJob(podium, text);
    // Finds a server that is not there at once; from here on a lost connection is worth waiting for.
    if (options.follow === true) await jobStatus(podium, id);
    const pieces = options.follow === true ? followLogs(podium, id, selection) : logsOf(podium, id, selection);
    for await (const piece of pieces) {
      tellGap(id, piece);
      await write(only === undefined ? piece.stream : "stdout", timed?.of(piece) ?? piece.bytes);
    }
  });
}

function moment(text: string): Moment {
  const agoMs = parseDuration(text);
  const moment = agoMs === null ? parseTime(text) : { agoMs };
  if (moment !== null) return moment;
  throw new InvalidArgumentError(
    `${JSON.stringify(text)} is neither a duration nor a time; write it like 10m, 2026-11-26T13:00:00Z or 2026-11-26.`,
  );
}
