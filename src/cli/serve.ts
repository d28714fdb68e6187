import { Command } from "commander";
import { type RunningServer, serve } from "../server/serve.ts";
import { CliError } from "./failure.ts";
import { addServerOptions, type ServerOptions, serverSettings } from "./server-options.ts";
import { version } from "./version.ts";

export function serveCommand(): Command {
  const command = new Command("serve")
    .description("run the server on this machine")
    .option("--stop-jobs-on-exit", "its end ends running jobs too (default: they run on)")
    .action(runServer);
  return addServerOptions(command);
}

async function runServer(options: ServerOptions & { readonly stopJobsOnExit?: true }): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new CliError("serve: it makes namespaces and cgroups, which needs root", "run it as root");
  const { stopJobsOnExit = false } = options;
  const server = await serve({ ...serverSettings(options), version: version(), stopJobsOnExit });
  const ended = untilToldToEnd(server); // before the line that tells others that they may signal it
  process.stdout.write(`podium: listening on ${server.address}\n`);
  await ended;
}

function untilToldToEnd(server: RunningServer): Promise<void> {
  process.on("SIGHUP", () => server.reload());
  return new Promise((resolve, reject) => {
    const end = () => {
      process.off("SIGTERM", end);
      process.off("SIGINT", end);
      server.close().then(resolve, reject);
    };
    process.on("SIGTERM", end);
    process.on("SIGINT", end);
  });
}
