import { Command } from "commander";
import { filterNeeds, type JobRequest, specOf } from "../../sandbox/request.ts";
import { type SeccompChoice, seccompFilters } from "../../sandbox/seccomp/programs.ts";
import type { ExitRecord } from "../../sandbox/spec.ts";
import { runLocally } from "../local/run.ts";
import { refuseUndecodableArguments } from "./argument-bytes.ts";
import { exitCodeOf } from "./exit-code.ts";
import { CliError } from "./failure.ts";
import { addJobOptions, type JobOptions, requestOf } from "./job-options.ts";
import { LocalTerminal, localSize, ownTerm } from "./local-terminal.ts";
import { networkWishOf } from "./network-options.ts";

export function sandboxCommand(): Command {
  const command = new Command("sandbox")
    .description("run a command in a sandbox of this machine, with no server")
    .usage("[options] [--] CMD [ARG...]")
    .argument("<command...>", "program and its arguments")
    .passThroughOptions()
    .option("-i, --interactive", "with -t: pass what is typed (without -t, stdin is passed in any case)")
    .option("-t, --tty", "give it a terminal")
    .action(runSandbox);
  return addJobOptions(command);
}

interface SandboxOptions extends JobOptions {
  readonly interactive?: true;
  readonly tty?: true;
}

async function runSandbox(argv: string[], options: SandboxOptions): Promise<void> {
  refuseUndecodableArguments();
  if (process.getuid?.() !== 0)
    throw new CliError("sandbox: it makes namespaces and cgroups, which needs root", "run it as root");
  const terminal = options.tty === true ? LocalTerminal.demand("-t") : null;
  const request = requestWith(terminal, argv, options);
  const filters = seccompFilters(seccompChoice(options.seccomp), filterNeeds(request));
  const spec = specOf(request, {
    defaultHostname: "sandbox",
    network: { kind: "none" },
    ...filters,
  });
  const record = await runLocally(spec, networkWishOf(options), terminal);
  tellUnusualEnd(record);
  process.exitCode = exitCodeOf(record);
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
