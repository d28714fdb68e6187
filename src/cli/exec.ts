import { Command } from "commander";
import type { Podium } from "../client/connect.ts";
import { Exec, type ExecResult } from "../client/exec.ts";
import { resolveJob } from "../client/job-id.ts";
import type { ExecOpen, User } from "../gen/podium.ts";
import { refuseUndecodableArguments } from "./argument-bytes.ts";
import { addConnectionOptions } from "./connection-options.ts";
import { exitCodeOf } from "./exit-code.ts";
import { CliError, tell } from "./failure.ts";
import { another, userOf } from "./job-options.ts";
import { LocalTerminal, localSize, ownTerm } from "./local-terminal.ts";
import { write } from "./output.ts";
import { ownInput } from "./own-input.ts";
import { withPodium } from "./with-podium.ts";

interface Options {
  readonly interactive?: true;
  readonly tty?: true;
  readonly env?: string[];
  readonly cwd?: string;
  readonly user?: User;
}

export function execCommand(): Command {
  const command = new Command("exec")
    .usage("[options] ID [--] CMD [ARG...]")
    .argument("<id>", "id or name of a running job")
    .argument("<command...>", "program and its arguments")
    .passThroughOptions()
    .option("-i, --interactive", "pass stdin")
    .option("-t, --tty", "give it a terminal")
    .option("-e, --env <NAME=VALUE>", "environment variable beside the job's; repeatable", another)
    .option("-w, --cwd <DIR>", "folder it starts in (default: the job's)")
    .option("-u, --user <USER[:GROUP]>", "user it runs as inside, by number or by name (default: the job's)", userOf)
    .addHelpText(
      "after",
      "\nIt is killed with the job, and when podium goes: Ctrl-C is passed on, a second one leaves.",
    )
    .action(exec);
  return addConnectionOptions(command);
}

async function exec(text: string, words: string[], options: Options, command: Command): Promise<void> {
  refuseUndecodableArguments();
  const argv = words[0] === "--" ? words.slice(1) : words;
  if (argv.length === 0) throw new CliError("exec: no command is given", "see podium help exec");
  const terminal = options.tty === true ? LocalTerminal.demand("-t") : null;
  await withPodium(command, async (podium) => {
    const open = openOf(await resolveJob(podium, text), argv, options);
    const result = await (terminal === null ? streamed(podium, open) : interactive(podium, open, terminal));
    process.exitCode ||= exitCodeOfExec(result, open.id);
  });
}

type Open = Partial<ExecOpen> & Pick<ExecOpen, "id">;

function openOf(id: bigint, argv: string[], { interactive, tty, env = [], cwd = "", user }: Options): Open {
  const stdin = interactive === true;
  if (tty === undefined) return { id, argv, env, cwd, user, stdin };
  return { id, argv, env: [...ownTerm(), ...env], cwd, user, stdin, terminal: localSize() };
}

async function streamed(podium: Podium, open: Open): Promise<ExecResult> {
  const leave = new AbortController();
  const running = new Exec(podium, open, leave.signal);
  const pass = interrupter(running, leave);
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, pass);
  const input = open.stdin === true ? ownInput() : null;
  let isOver = false;
  if (input !== null) {
    running.feed(input).catch((error: NodeJS.ErrnoException) => {
      if (!isOver) tell(`stdin: cannot be read: ${error.code ?? error.message}`);
    });
  }
  try {
    return await running.result(write);
  } finally {
    isOver = true;
    input?.destroy();
    for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, pass);
  }
}

/** The first interruption is the command's, the second kills it. */
function interrupter(running: Exec, leave: AbortController): (name: NodeJS.Signals) => void {
  let count = 0;
  return (name) => {
    if (count++ === 0) running.signal(name);
    else leave.abort(new CliError("interrupted before the command had ended; it has been killed"));
  };
}

async function interactive(podium: Podium, open: Open, terminal: LocalTerminal): Promise<ExecResult> {
  using here = terminal;
  const leave = new AbortController();
  const running = new Exec(podium, open, leave.signal);
  here.enter((size) => running.resize(size));
  void readKeys(open.stdin === true ? (bytes) => running.input(bytes) : watchFor(interrupter(running, leave)));
  try {
    return await running.result(async (stream, bytes) => {
      here.note(bytes);
      await write(stream, bytes);
    });
  } finally {
    here[Symbol.dispose]();
    process.stdin.destroy();
  }
}

/** What is typed where nobody is to type: Ctrl-C alone counts. */
function watchFor(interrupt: (name: NodeJS.Signals) => void): (bytes: Buffer) => Promise<void> {
  return async (bytes) => {
    if (bytes.includes(3)) interrupt("SIGINT");
  };
}

/** The end of the terminal is the end of podium, and with it of the command. */
async function readKeys(take: (bytes: Buffer) => Promise<void>): Promise<void> {
  try {
    for await (const bytes of ownInput()) await take(bytes as Buffer);
    process.kill(process.pid, "SIGHUP");
  } catch {
    // stdin was destroyed: the command has ended
  }
}

function exitCodeOfExec(result: ExecResult, id: bigint): number {
  if ("exited" in result) {
    const { exitCode = null, signal } = result.exited;
    return exitCodeOf({ cause: "EXITED", exitCode, signal: signal === "" ? null : signal, step: "", errno: "" });
  }
  const { step, errno, message } = result.failed;
  tell(`job ${id}: exec: ${message}`);
  return exitCodeOf({ cause: "START_FAILED", exitCode: null, signal: null, step, errno });
}
