import { Command } from "commander";
import { defaultServer } from "../certs/defaults.ts";
import { readConfig } from "../server/config.ts";
import { type RunningServer, serve } from "../server/serve.ts";
import { serverFiles } from "../server/tls-files.ts";
import { CliError } from "./failure.ts";
import { version } from "./version.ts";

const defaultData = "/var/lib/podium";

interface ServeOptions {
  readonly listen?: string;
  readonly data?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly crl?: string;
  readonly config?: string;
}

export function serveCommand(): Command {
  return new Command("serve")
    .description("run the server on this machine")
    .option("--listen <HOST:PORT>", `address to listen on (default ${defaultServer}; port 0 picks a free one)`)
    .option("--data <DIR>", `folder of jobs and state (default ${defaultData})`)
    .option("--ca <FILE>", "authority whose users are let in")
    .option("--cert <FILE>", "the server's certificate")
    .option("--key <FILE>", "the server's key")
    .option("--crl <FILE>", "revocation list")
    .option("--config <FILE>", "configuration, JSON (docs/config.schema.json)")
    .action(runServer);
}

/** A flag wins over the configuration file, the file over the default. */
async function runServer(options: ServeOptions): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new CliError("serve: it makes namespaces and cgroups, which needs root", "run it as root");
  const config = readConfig(options.config);
  const listen = options.listen ?? config.listen ?? defaultServer;
  if (!/^.+:\d{1,5}$/.test(listen))
    throw new CliError(`--listen ${listen}: is not HOST:PORT`, `write it like ${defaultServer}`);
  const flags = {
    ca: options.ca ?? config.ca,
    cert: options.cert ?? config.cert,
    key: options.key ?? config.key,
    crl: options.crl ?? config.crl,
  };
  const files = serverFiles(Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined)));
  const server = await serve({
    listen,
    data: options.data ?? config.data ?? defaultData,
    files,
    config,
    version: version(),
  });
  process.stdout.write(`podium: listening on ${server.address}\n`);
  await untilToldToEnd(server);
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
