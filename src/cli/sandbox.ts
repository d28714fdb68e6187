import { Command, Option } from "commander";
import { filterNeeds, type JobRequest, specOf } from "../../sandbox/request.ts";
import { type SeccompChoice, seccompFilters } from "../../sandbox/seccomp/programs.ts";
import type { ExitRecord } from "../../sandbox/spec.ts";
import { runLocally } from "../local/run.ts";
import { preparedForWork } from "../local/work.ts";
import { refuseUndecodableArguments } from "./argument-bytes.ts";
import { exitCodeOf } from "./exit-code.ts";
import { CliError } from "./failure.ts";
import { addJobOptions, type JobOptions, requestOf } from "./job-options.ts";
import { LocalTerminal, localSize, ownTerm } from "./local-terminal.ts";
import { networkWishOf } from "./network-options.ts";
import { addWorkOptions, localWork, type WorkOptions } from "./work-options.ts";

export function sandboxCommand(): Command {
  const command = new Command("sandbox")
    .description("run a command in a sandbox of this machine, with no server")
    .usage("[options] [--] CMD [ARG...]")
    .argument("<command...>", "program and its arguments")
    .passThroughOptions()
    .option("-i, --interactive", "with -t: pass what is typed (without -t, stdin is passed in any case)")
    .option("-t, --tty", "give it a terminal")
    .action(runSandbox);
  for (const flags of serverOnly) command.addOption(new Option(flags).hideHelp().argParser(refuseServerOnly(flags)));
  return addWorkOptions(addJobOptions(command));
}

/** A server keeps them with the job; here they would be forgotten. */
const serverOnly = ["--name <NAME>", "--label <K=V>", "--request-id <ID>"] as const;

function refuseServerOnly(flags: string): () => never {
  const [option = ""] = flags.split(" ");
  return () => {
    throw new CliError(`sandbox: ${option}: there is no server that would keep it`, "leave it out, or use podium run");
  };
}

interface SandboxOptions extends JobOptions, WorkOptions {
  readonly interactive?: true;
  readonly tty?: true;
}

async function runSandbox(argv: string[], options: SandboxOptions): Promise<void> {
  refuseUndecodableArguments();
  if (process.getuid?.() !== 0)
    throw new CliError("sandbox: it makes namespaces and cgroups, which needs root", "run it as root");
  const terminal = options.tty === true ? LocalTerminal.demand("-t") : null;
  const asked = requestWith(terminal, argv, options);
  const hasWork = options.upload !== undefined || options.download !== undefined;
  const request = hasWork ? preparedForWork(asked) : asked;
  const filters = seccompFilters(seccompChoice(options.seccomp), filterNeeds(request));
  const spec = specOf(request, {
    defaultHostname: "sandbox",
    network: { kind: "none" },
    ...filters,
  });
  const network = networkWishOf(options);
  const record = await runLocally(spec, { network, terminal, work: localWork(options, spec.cwd) });
  tellUnusualEnd(record);
  process.exitCode = exitCodeOf(record) || process.exitCode;
}

function requestWith(terminal: LocalTerminal | null, argv: string[], options: SandboxOptions): JobRequest {
  if (terminal === null) return requestOf(argv, options, true);
  const request = requestOf(argv, options, options.interactive === true);
  return { ...request, env: [...ownTerm(), ...(request.env ?? [])], terminal: localSize() };
}

function seccompChoice(text: string): SeccompChoice {
  return text === "default" || text === "unconfined" ? { kind: text } : { kind: "file", path: text };
}

function tellUnusualEnd(record: ExitRecord): void {
  if (record.cause === "EXITED") return;
  process.stderr.write(`podium: ${record.cause}: ${record.message}\n`);
}
