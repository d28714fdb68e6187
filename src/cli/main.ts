// The command line's table of contents. Each command is loaded when it is asked for.
import { Command, CommanderError } from "commander";
import { CliError, cliErrorOf } from "./failure.ts";
import { version } from "./version.ts";

const commands = {
  sandbox: async () => (await import("./sandbox.ts")).sandboxCommand(),
  serve: async () => (await import("./serve.ts")).serveCommand(),
  certs: async () => (await import("./certs.ts")).certsCommand(),
} as const;

const summaries: Readonly<Record<keyof typeof commands, string>> = {
  sandbox: "run a command in a sandbox of this machine, with no server",
  serve: "run the server on this machine",
  certs: "make a CA and issue certificates",
};

async function program(asked: string | undefined): Promise<Command> {
  const podium = new Command("podium")
    .description("Runs commands on a Linux server for remote clients, each in its own sandbox.")
    .version(version(), "--version")
    .enablePositionalOptions()
    .showHelpAfterError(false)
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  for (const name of Object.keys(commands) as (keyof typeof commands)[]) {
    const command = name === asked ? await commands[name]() : new Command(name).description(summaries[name]);
    podium.addCommand(command.copyInheritedSettings(podium));
  }
  return podium;
}

async function main(argv: string[]): Promise<void> {
  const asked = argv[0] === "help" ? argv[1] : argv[0];
  try {
    await (await program(asked)).parseAsync(argv, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    report(error instanceof CommanderError ? usageError(error) : cliErrorOf(error));
  }
}

function usageError(error: CommanderError): CliError {
  return new CliError(error.message.replace(/^error: /, ""), "see podium help");
}

function report(error: CliError): void {
  process.stderr.write(`podium: ${error.message.replaceAll("\n", " ")}\n`);
  if (error.mend !== "") process.stderr.write(`  ${error.mend.replaceAll("\n", " ")}\n`);
  process.exitCode = error.exitCode;
}

await main(process.argv.slice(2));
