// Where podium starts: chooses one of two programs, because most calls need nothing of what a server is made of.
import { statSync } from "node:fs";
import { join } from "node:path";
import { askedCommand } from "./asked-command.ts";
import hostCommands from "./host-commands.json" with { type: "json" };
import { loadProgram, type Program } from "./program.ts";

async function start(argv: string[]): Promise<void> {
  const asked = askedCommand(argv);
  const isHost = asked !== undefined && hostCommands.includes(asked);
  const path = join(import.meta.dirname, isHost ? "host.cjs" : "client.cjs");
  const program = loadProgram(path);
  await program.evaluate().main(argv);
  if (isHost) return;
  if (asked !== undefined && argv[0] !== "help") keepCompiled(program, path);
  await leave();
}

/** A package comes with the cache of its maker's Node, if any: its owner replaces that one, once. */
function keepCompiled(program: Program, path: string): void {
  const worthwhile = program.uncached === "missing" || program.uncached === "unfit";
  if (!worthwhile || process.exitCode !== undefined || statSync(path).uid !== process.geteuid?.()) return;
  try {
    program.writeCache();
  } catch {
    // A disk that is full or read-only: the next call is as slow as this one.
  }
}

/** A client has nothing more to say: it need not wait until its connection has been taken down in good order. */
async function leave(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    if (stream.writableLength > 0) await new Promise((resolve) => stream.write("", resolve));
  }
  process.exit();
}

void start(process.argv.slice(2));
