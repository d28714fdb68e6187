// Where a client finds its server and its credentials: a flag wins over a variable, a variable over the profile file.
import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import type { PemSource } from "../certs/checks.ts";
import { isHost } from "../certs/extensions.ts";
import { CredentialError } from "../certs/failure.ts";
import { readText } from "../certs/files.ts";
import { decodeProfile, type ProfileFile } from "./profile-file.ts";

/** The connection flags of every client command, as commander gives them. */
export interface ConnectionFlags {
  readonly profile?: string | undefined;
  readonly server?: string | undefined;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface ServerAddress {
  /** DNS name or IP address, without brackets. */
  readonly host: string;
  readonly port: number;
}

/** A server and the credentials for it, complete. */
export interface Profile {
  readonly server: ServerAddress;
  readonly ca: PemSource;
  readonly certificate: PemSource;
  readonly key: PemSource;
}

type Environment = Readonly<Record<string, string | undefined>>;

export function defaultProfilePath(home: string): string {
  return join(home, ".config", "podium", "default.podium");
}

/** Puts a profile together; throws CredentialError that names the missing value or the wrong file. */
export function loadProfile(flags: ConnectionFlags, environment: Environment = process.env, home = homedir()): Profile {
  const variable = (name: string): string | undefined => environment[name] || undefined;
  const given = {
    server: flags.server ?? variable("PODIUM_SERVER"),
    ca: flags.ca ?? variable("PODIUM_CA"),
    certificate: flags.cert ?? variable("PODIUM_CERT"),
    key: flags.key ?? variable("PODIUM_KEY"),
  };
  const complete = Object.values(given).every((value) => value !== undefined);
  const chosen = flags.profile ?? variable("PODIUM_PROFILE");
  const path = chosen ?? defaultProfilePath(home);
  const file = complete || (chosen === undefined && !existsSync(path)) ? {} : readProfile(path);

  const pem = (field: "ca" | "certificate" | "key"): PemSource => {
    const filePath = given[field];
    if (filePath !== undefined) return { label: filePath, pem: readText(filePath) };
    return { label: `${path}: ${field}`, pem: file[field] ?? missing(field, chosen, path) };
  };
  const server = parseServer(given.server ?? file.server ?? missing("server", chosen, path));
  return { server, ca: pem("ca"), certificate: pem("certificate"), key: pem("key") };
}

function readProfile(path: string): Partial<ProfileFile> {
  return decodeProfile(readText(path, "podium certs issue NAME writes NAME.podium"), path);
}

const spellings = {
  server: { noun: "server address", flag: "--server HOST:PORT", variable: "PODIUM_SERVER" },
  ca: { noun: "certificate of the server's authority", flag: "--ca FILE", variable: "PODIUM_CA" },
  certificate: { noun: "client certificate", flag: "--cert FILE", variable: "PODIUM_CERT" },
  key: { noun: "private key", flag: "--key FILE", variable: "PODIUM_KEY" },
} as const;

function missing(field: keyof typeof spellings, chosen: string | undefined, path: string): never {
  const { noun, flag, variable } = spellings[field];
  const why = chosen === undefined && !existsSync(path) ? `there is no profile ${path}` : `${path} has none`;
  const mend = `pass --profile NAME.podium (podium certs issue writes it), or ${flag}, or set ${variable}`;
  throw new CredentialError(`no ${noun}: ${why}`, mend);
}

/** `HOST:PORT`, an IPv6 address in brackets: `[::1]:7443`. */
export function parseServer(text: string): ServerAddress {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? "";
  const port = Number(match?.[3]);
  const bracketed = match?.[1] !== undefined;
  const valid = isHost(host) && bracketed === (isIP(host) === 6) && port >= 1 && port <= 65_535;
  if (valid) return { host, port };
  throw new CredentialError(
    `server ${JSON.stringify(text)}: not HOST:PORT`,
    "for example localhost:7443, 192.0.2.1:7443 or [::1]:7443",
  );
}

/** The address in the spelling that `parseServer` reads. */
export function formatServer({ host, port }: ServerAddress): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
