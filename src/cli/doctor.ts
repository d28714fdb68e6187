import { Command } from "commander";
import type { Check } from "../../sandbox/requirements/check.ts";
import { examine, type Subject } from "../doctor/checks.ts";
import { cleanUp } from "../doctor/cleanup.ts";
import { CliError } from "./failure.ts";
import { encodeJson } from "./json.ts";
import { columns, printLines } from "./output.ts";
import { addOutputFormat, type OutputFormat } from "./output-format.ts";
import { printable } from "./printable.ts";
import { addServerOptions, type ServerOptions, serverSettings } from "./server-options.ts";

interface Options extends ServerOptions, OutputFormat {
  readonly cleanup?: true;
}

export function doctorCommand(): Command {
  const command = new Command("doctor")
    .description("tell what this host can enforce; each failed line names its mend; ends 1 when no job could start")
    .option("--cleanup", "remove what a dead server of this DATA left on the host: groups, links, rules, namespaces")
    .action(doctor);
  return addOutputFormat(addServerOptions(command));
}

async function doctor(options: Options): Promise<void> {
  const { data, files } = serverSettings(options);
  if (options.cleanup === true) return tellCleanup(data, options);
  const filesGiven = [options.ca, options.cert, options.key, options.config].some((file) => file !== undefined);
  await tellChecks({ data, files, filesGiven }, options);
}

async function tellChecks(subject: Subject, { output }: OutputFormat): Promise<void> {
  const checks = await examine(subject);
  const ok = checks.every((check) => check.ok || !check.required);
  if (output === "json") {
    const list = checks.map(({ name, ok, required, detail, mend }) => ({ name, ok, required, detail, mend }));
    await printLines(encodeJson({ ok, checks: list }));
  } else {
    await printLines(...checkLines(checks), "", ok ? "jobs can start on this host" : "no job can start as things are");
  }
  process.exitCode = ok ? 0 : 1;
}

function checkLines(checks: readonly Check[]): string[] {
  const rows = checks.map(({ name, detail, ...check }) => [mark(check), name, detail].map(printable));
  return columns(rows).flatMap((line, i) => {
    const mend = checks[i]?.mend ?? "";
    return mend === "" ? [line] : [line, `      mend: ${printable(mend)}`];
  });
}

function mark({ ok, required }: Pick<Check, "ok" | "required">): string {
  if (ok) return "ok";
  return required ? "FAIL" : "warn";
}

async function tellCleanup(data: string, { output }: OutputFormat): Promise<void> {
  if (process.getuid?.() !== 0) throw new CliError("doctor --cleanup: it removes things of the host", "run it as root");
  const { removed, kept } = await cleanUp(data);
  if (output === "json") return printLines(encodeJson({ removed, kept }));
  await printLines(
    ...removed.map((thing) => `removed ${thing}`),
    ...kept.map((thing) => `kept ${thing}: a job of it still runs`),
    ...(removed.length + kept.length === 0 ? ["nothing was left"] : []),
  );
}
