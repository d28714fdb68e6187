// `podium audit`: who asked for what, read on the server's own machine, and whether the log is still what was written.
import { Command, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../../sandbox/units.ts";
import { auditFolder, fileNumbers } from "../server/audit/files.ts";
import { type AuditRecord, decisions, decodeLine } from "../server/audit/line.ts";
import { auditLines, type Verified, verifyAudit } from "../server/audit/verify.ts";
import { defaultData } from "./data-folder.ts";
import { CliError } from "./failure.ts";
import { write } from "./output.ts";
import { addOutputFormat, type OutputFormat } from "./output-format.ts";
import { printable } from "./printable.ts";
import { localTime } from "./time.ts";

interface Filter extends OutputFormat {
  readonly data?: string;
  readonly user?: string;
  readonly job?: number;
  readonly call?: string;
  readonly decision?: string;
  readonly since?: Date;
}

export function auditCommand(): Command {
  const command = new Command("audit")
    .option("--data <DIR>", `DATA of the server (default ${defaultData})`)
    .option("--user <NAME>", "only calls of this user")
    .addOption(new Option("--job <ID>", "only calls on this job").argParser(jobId))
    .option("--call <NAME>", "only calls of this name, for example Starter/Start or Start")
    .addOption(new Option("--decision <DECISION>", "only those that were").choices(decisions))
    .addOption(new Option("--since <TIME>", "only from then on: 1h, 2d, or 2026-01-31T08:00Z").argParser(since))
    .action(list);
  command.addCommand(
    new Command("verify")
      .description("follow the log's chain of hashes; names the first line that is not as it was written")
      .option("--data <DIR>", `DATA of the server (default ${defaultData})`)
      .action((_options: object, own: Command) => verify(own.optsWithGlobals<Filter>())),
  );
  return addOutputFormat(command);
}

async function list(filter: Filter): Promise<void> {
  const folder = existing(filter);
  const json = filter.output === "json";
  let count = 0;
  if (!json) await write("stdout", `${row(["TIME", "DECISION", "USER", "CALL", "JOB", "PEER", "REASON"])}\n`);
  for await (const { text } of auditLines(folder)) {
    const record = decodeLine(text);
    if (record === null || !matches(record, filter)) continue;
    if (json) await write("stdout", `${count === 0 ? "[\n" : ",\n"}  ${JSON.stringify(record)}`);
    else await write("stdout", `${row(cells(record))}\n`);
    count++;
  }
  if (json) await write("stdout", count === 0 ? "[]\n" : "\n]\n");
}

function cells({ time, decision, user, call, job, peer, reason }: AuditRecord): string[] {
  return [
    localTime(new Date(time)),
    decision,
    user || "-",
    call,
    job === null ? "-" : String(job),
    peer || "-",
    reason,
  ];
}

const widths = [19, 8, 12, 15, 6, 21];

function row(texts: readonly string[]): string {
  return texts
    .map((text, i) => printable(text).padEnd(widths[i] ?? 0))
    .join("  ")
    .trimEnd();
}

function matches(record: AuditRecord, { user, job, call, decision, since: from }: Filter): boolean {
  return (
    (user === undefined || record.user === user) &&
    (job === undefined || record.job === job) &&
    (decision === undefined || record.decision === decision) &&
    (call === undefined || record.call === call || record.call.endsWith(`/${call}`)) &&
    (from === undefined || new Date(record.time) >= from)
  );
}

async function verify(options: Filter): Promise<void> {
  const folder = existing(options);
  let found = await verifyAudit(folder);
  if (found.fault !== null) found = await verifyAudit(folder); // a server may have rotated the files meanwhile
  for (const note of found.notes) process.stderr.write(`podium: audit: ${printable(note)}\n`);
  if (found.fault !== null) {
    process.stderr.write(`podium: audit: ${found.fault.where}: ${printable(found.fault.reason)}\n`);
    process.exitCode = 1;
    return;
  }
  await write("stdout", `${summary(found)}\n`);
}

function summary({ lines, first, end }: Verified): string {
  if (lines === 0) return "intact: no lines yet";
  const rotated = first > 1 ? ` (1 to ${first - 1} were rotated away)` : "";
  return `intact: ${lines} lines, ${first} to ${end.seq}${rotated}; the last has SHA-256 ${end.hash}`;
}

function existing({ data = defaultData }: Filter): string {
  const folder = auditFolder(data);
  try {
    if (fileNumbers(folder).length > 0) return folder;
  } catch (error) {
    throw new CliError(`audit: ${folder}: cannot be read: ${(error as NodeJS.ErrnoException).code}`, "run it as root");
  }
  throw new CliError(`audit: ${folder}: there is no audit log`, "name the DATA of podium serve with --data");
}

function jobId(text: string): number {
  if (/^[1-9]\d{0,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a job's id.`);
}

function since(text: string): Date {
  const ago = parseDuration(text);
  const date = ago === null ? new Date(text) : new Date(Date.now() - ago);
  if (!Number.isNaN(date.getTime())) return date;
  throw new InvalidArgumentError(`${JSON.stringify(text)} is no time; write 1h, 2d, or 2026-01-31T08:00Z.`);
}
