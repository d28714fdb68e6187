import { Command } from "commander";
import { filterNeeds, specOf } from "../../sandbox/request.ts";
import { type SeccompChoice, seccompFilters } from "../../sandbox/seccomp/programs.ts";
import type { ExitRecord } from "../../sandbox/spec.ts";
import { runLocally } from "../local/run.ts";
import { refuseUndecodableArguments } from "./argument-bytes.ts";
import { exitCodeOf } from "./exit-code.ts";
import { CliError } from "./failure.ts";
import { addJobOptions, type JobOptions, requestOf } from "./job-options.ts";
import { networkWishOf } from "./network-options.ts";

export function sandboxCommand(): Command {
  const command = new Command("sandbox")
    .description("run a command in a sandbox of this machine, with no server")
    .usage("[options] [--] CMD [ARG...]")
    .argument("<command...>", "program and its arguments")
    .passThroughOptions()
    .action(runSandbox);
  return addJobOptions(command);
}

async function runSandbox(argv: string[], options: JobOptions): Promise<void> {
  refuseUndecodableArguments();
  if (process.getuid?.() !== 0)
    throw new CliError("sandbox: it makes namespaces and cgroups, which needs root", "run it as root");
  const request = requestOf(argv, options, true);
  const filters = seccompFilters(seccompChoice(options.seccomp), filterNeeds(request));
  const spec = specOf(request, {
    defaultHostname: "sandbox",
    network: { kind: "none" },
    ...filters,
  });
  const record = await runLocally(spec, networkWishOf(options));
  tellUnusualEnd(record);
  process.exitCode = exitCodeOf(record);
}

function seccompChoice(text: string): SeccompChoice {
  return text === "default" || text === "unconfined" ? { kind: text } : { kind: "file", path: text };
}

function tellUnusualEnd(record: ExitRecord): void {
  if (record.cause === "EXITED") return;
  process.stderr.write(`podium: ${record.cause}: ${record.message}\n`);
}
