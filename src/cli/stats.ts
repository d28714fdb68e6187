import { Command, InvalidArgumentError } from "commander";
import { parseDuration } from "../../sandbox/units.ts";
import { resolveJob } from "../client/job-id.ts";
import { jobStats } from "../client/stats.ts";
import type { JobStats } from "../gen/podium.ts";
import { addConnectionOptions } from "./connection-options.ts";
import { limitsJson, usageJson } from "./job-json.ts";
import { encodeJson, type Json } from "./json.ts";
import { printLines, write } from "./output.ts";
import { addOutputFormat, type OutputFormat } from "./output-format.ts";
import { statsTable } from "./stats-table.ts";
import { withPodium } from "./with-podium.ts";

interface Options extends OutputFormat {
  readonly interval: number;
}

/** Between the two readings that a single answer is made of: its cpu percent is of that time. */
const glanceMs = 500;

export function statsCommand(): Command {
  const command = new Command("stats")
    .description(
      "show what running jobs use: on a terminal one table, refreshed until Ctrl-C or the end of the job; elsewhere, and " +
        "with -o json, once",
    )
    .argument("[id]", "id or name of a job (default: all that run)")
    .option("--interval <DURATION>", "time from one refresh to the next (default 1s)", interval, 1000)
    .action(stats);
  return addConnectionOptions(addOutputFormat(command));
}

async function stats(text: string | undefined, { output, interval: ms }: Options, command: Command): Promise<void> {
  const live = output === undefined && process.stdout.isTTY === true;
  await withPodium(command, async (podium) => {
    const id = text === undefined ? undefined : await resolveJob(podium, text);
    if (live) return refresh(jobStats(podium, { id, intervalMs: ms }));
    const jobs = await glance(jobStats(podium, { id, intervalMs: glanceMs }));
    await printLines(...(output === "json" ? [encodeJson(jobs.map(statsJson))] : statsTable(jobs)));
  });
}

/** The second reading, or the only one of a job that has ended. */
async function glance(readings: AsyncIterable<readonly JobStats[]>): Promise<readonly JobStats[]> {
  let last: readonly JobStats[] | null = null;
  for await (const jobs of readings) {
    if (last !== null) return jobs;
    last = jobs;
  }
  return last ?? [];
}

/** Each table is drawn over the one before, cut to what the terminal has room for: whatever scrolls away stays there. */
async function refresh(readings: AsyncIterable<readonly JobStats[]>): Promise<void> {
  let drawn = 0;
  for await (const jobs of readings) {
    const { rows = 0, columns: width } = process.stdout;
    // A terminal that does not know its size says 0.
    const lines = statsTable(jobs, width || undefined).slice(0, rows > 1 ? rows - 1 : undefined);
    const over = drawn === 0 ? "" : `\x1b[${drawn}A\r\x1b[J`;
    await write("stdout", over + lines.map((line) => `${line}\n`).join(""));
    drawn = lines.length;
  }
}

function statsJson({ id, name, user, state, limits, usage, cpuPercent }: JobStats): Json {
  return { id, name, user, state, cpuPercent, limits: limitsJson(limits), usage: usageJson(usage) };
}

function interval(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds !== null && milliseconds >= 100 && milliseconds <= 60_000) return milliseconds;
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a time from 100ms to 60s.`);
}
