// Where a server of this machine listens and keeps its things: what `serve` runs and `doctor` looks at.
import type { Command } from "commander";
import { defaultServer } from "../certs/defaults.ts";
import { type Config, readConfig } from "../server/config.ts";
import { type ServerFiles, serverFiles } from "../server/tls-files.ts";
import { defaultData } from "./data-folder.ts";
import { CliError } from "./failure.ts";

export interface ServerOptions {
  readonly listen?: string;
  readonly data?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly crl?: string;
  readonly config?: string;
}

export interface ServerSettings {
  readonly listen: string;
  readonly data: string;
  readonly files: ServerFiles;
  readonly config: Config;
}

export function addServerOptions(command: Command): Command {
  return command
    .option("--listen <HOST:PORT>", `address to listen on (default ${defaultServer}; port 0 picks a free one)`)
    .option("--data <DIR>", `folder of jobs and state (default ${defaultData})`)
    .option("--ca <FILE>", "authority whose users are let in")
    .option("--cert <FILE>", "the server's certificate")
    .option("--key <FILE>", "the server's key")
    .option("--crl <FILE>", "revocation list")
    .option("--config <FILE>", "configuration, JSON (docs/config.schema.json)");
}

/** A flag wins over the configuration file, the file over the default. Throws with the option or key and the mend. */
export function serverSettings(options: ServerOptions): ServerSettings {
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
  return { listen, data: options.data ?? config.data ?? defaultData, files, config };
}
