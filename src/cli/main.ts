// The command line's table of contents. Each command is loaded when it is asked for. podium.ts starts it.
import { Command, CommanderError } from "commander";
import { askedCommand } from "./asked-command.ts";
import { addConnectionOptions, connectionFlags } from "./connection-options.ts";
import { CliError, cliErrorOf, report } from "./failure.ts";
import { catchOutputErrors, ReaderGone } from "./output.ts";
import { version } from "./version.ts";

interface Entry {
  readonly summary: string;
  /** It talks to a server. */
  readonly client?: true;
  readonly load: () => Promise<Command>;
}

const commands: Readonly<Record<string, Entry>> = {
  run: {
    summary: "run a command on the server: its output and exit code become podium's own",
    client: true,
    load: async () => (await import("./run.ts")).runCommand(),
  },
  start: {
    summary: "start a command on the server and print its id",
    client: true,
    load: async () => (await import("./start.ts")).startCommand(),
  },
  attach: {
    summary: "come back to the terminal, or the output, of a running job",
    client: true,
    load: async () => (await import("./attach.ts")).attachCommand(),
  },
  exec: {
    summary: "run a further command in a running job",
    client: true,
    load: async () => (await import("./exec.ts")).execCommand(),
  },
  stop: {
    summary: "end jobs and return when no process of them is left",
    client: true,
    load: async () => (await import("./stop.ts")).stopCommand(),
  },
  status: {
    summary: "tell a job's state, outcome, times, limits and usage",
    client: true,
    load: async () => (await import("./status.ts")).statusCommand(),
  },
  logs: {
    summary: "print a job's output",
    client: true,
    load: async () => (await import("./logs.ts")).logsCommand(),
  },
  ps: {
    summary: "list running jobs",
    client: true,
    load: async () => (await import("./ps.ts")).psCommand(),
  },
  stats: {
    summary: "show what running jobs use, live",
    client: true,
    load: async () => (await import("./stats.ts")).statsCommand(),
  },
  update: {
    summary: "change limits of a running job",
    client: true,
    load: async () => (await import("./update.ts")).updateCommand(),
  },
  cp: {
    summary: "copy files into and out of jobs",
    client: true,
    load: async () => (await import("./cp.ts")).cpCommand(),
  },
  wait: {
    summary: "wait for jobs to end; ends with the first exit code that is not 0",
    client: true,
    load: async () => (await import("./wait.ts")).waitCommand(),
  },
  rm: {
    summary: "remove finished jobs with their output",
    client: true,
    load: async () => (await import("./rm.ts")).rmCommand(),
  },
  netcheck: {
    summary: "tell whether a target is reachable from inside a running job",
    client: true,
    load: async () => (await import("./netcheck.ts")).netcheckCommand(),
  },
  info: {
    summary: "tell what the server is, who you are there, and what you may have and use",
    client: true,
    load: async () => (await import("./info.ts")).infoCommand(),
  },
  sandbox: {
    summary: "run a command in a sandbox of this machine, with no server",
    load: async () => (await import("./sandbox.ts")).sandboxCommand(),
  },
  serve: {
    summary: "run the server on this machine",
    load: async () => (await import("./serve.ts")).serveCommand(),
  },
  doctor: {
    summary: "tell what this host can enforce, and the mend of what it cannot",
    load: async () => (await import("./doctor.ts")).doctorCommand(),
  },
  audit: {
    summary: "who asked a server of this machine for what; and whether its log is intact",
    load: async () => (await import("./audit.ts")).auditCommand(),
  },
  certs: {
    summary: "make a CA and issue certificates",
    load: async () => (await import("./certs.ts")).certsCommand(),
  },
};

async function program(asked: string | undefined): Promise<Command> {
  const podium = addConnectionOptions(new Command("podium"))
    .description("Runs commands on a Linux server for remote clients, each in its own sandbox.")
    .version(version(), "--version")
    .enablePositionalOptions()
    .showHelpAfterError(false)
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  for (const [name, { summary, load }] of Object.entries(commands)) {
    const command = name === asked ? await load() : new Command(name);
    podium.addCommand(inheriting(command.description(summary), podium));
  }
  return podium;
}

/** With the parent's ways to tell errors, commands of commands too (`podium certs issue`). */
function inheriting(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  for (const inner of command.commands) inheriting(inner, command);
  return command;
}

/** Runs one command to its end; tells errors and sets the exit code. */
export async function main(argv: string[]): Promise<void> {
  catchOutputErrors();
  const asked = askedCommand(argv);
  try {
    const podium = await program(asked);
    podium.hook("preAction", () => refuseConnectionFlags(podium, asked));
    await podium.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (error instanceof ReaderGone || (error instanceof CommanderError && error.exitCode === 0)) return;
    report(error instanceof CommanderError ? usageError(error, asked) : cliErrorOf(error));
  }
}

/** An option that would do nothing is refused. */
function refuseConnectionFlags(podium: Command, asked = ""): void {
  const [flag] = Object.keys(connectionFlags(podium));
  if (flag === undefined || commands[asked]?.client === true) return;
  throw new CliError(`--${flag}: podium ${asked} connects to no server`, "leave it out");
}

function usageError(error: CommanderError, asked = ""): CliError {
  if (error.code === "commander.help") return new CliError("no command is given", "see podium help");
  const [message = "", hint] = error.message.replace(/^error: /, "").split("\n");
  const known = Object.hasOwn(commands, asked);
  const mend = hint === undefined ? `see podium help${known ? ` ${asked}` : ""}` : hint.replace(/^\(D(.*)\)$/, "d$1");
  return new CliError(known ? `${asked}: ${message}` : message, mend);
}
