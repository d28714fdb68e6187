// /etc/resolv.conf and /etc/hosts of a job (resolv.conf(5), hosts(5)). Pure but for the two reads at the end.
import { readFileSync } from "node:fs";
import { parseAddress } from "./addresses.ts";

/** Where systemd-resolved keeps the servers that its stub asks. */
const systemdFile = "/run/systemd/resolve/resolv.conf";
const hostFile = "/etc/resolv.conf";
/** MAXNS of resolv.h: what comes after is not asked. */
const mostServers = 3;

export interface Resolver {
  /** Content of the job's /etc/resolv.conf. */
  readonly text: string;
  readonly nameservers: readonly string[];
  /** Why there is none, for doctor and status; "" when there is one. */
  readonly note: string;
}

/** `host` and `systemd` are the texts of the two files, null when there is no such file. */
export function resolverFrom(host: string | null, systemd: string | null): Resolver {
  const own = usableServers(host ?? "");
  const source = own.length === 0 && systemd !== null ? systemd : (host ?? systemd ?? "");
  const nameservers = usableServers(source).slice(0, mostServers);
  if (nameservers.length === 0) return noResolver(host);
  const kept = linesOf(source).filter(([word]) => word === "search" || word === "domain" || word === "options");
  const lines = [...kept.map((words) => words.join(" ")), ...nameservers.map((server) => `nameserver ${server}`)];
  return { text: `${lines.join("\n")}\n`, nameservers, note: "" };
}

function noResolver(host: string | null): Resolver {
  const why =
    host === null ? `${hostFile} is missing` : `${hostFile} names no server that is reachable from another namespace`;
  const note = `names cannot be resolved in jobs: ${why}; put a nameserver that is no loopback address into it`;
  return { text: `# ${note}\n`, nameservers: [], note };
}

function linesOf(text: string): string[][] {
  return text.split("\n").map((line) =>
    line
      .replace(/[#;].*/, "")
      .trim()
      .split(/\s+/),
  );
}

/** The servers that a resolv.conf names, as the job's resolver would ask them. */
export function nameserversIn(text: string): string[] {
  return serversIn(text)
    .filter((server) => parseAddress(server) !== null)
    .slice(0, mostServers);
}

function serversIn(text: string): string[] {
  const servers = linesOf(text).flatMap(([word, server = ""]) => (word === "nameserver" ? [server] : []));
  return [...new Set(servers)];
}

/** A loopback address is the job's own there, and a link-local one needs a link that the job has not. */
function usableServers(text: string): string[] {
  return serversIn(text).filter(isUsable);
}

function isUsable(server: string): boolean {
  const address = parseAddress(server);
  if (address === null) return false;
  const { family, value } = address;
  if (family === 4) return value >> 24n !== 127n && value >> 16n !== 0xa9fen && value !== 0n;
  return value > 1n && value >> 118n !== 0x3fan;
}

/** The job's /etc/hosts: loopback, and its own name at its own addresses. */
export function hostsFile(hostname: string, addresses: readonly (string | null)[]): string {
  const short = hostname.split(".")[0] ?? hostname;
  const names = short === hostname ? hostname : `${hostname} ${short}`;
  const own = addresses.flatMap((address) => (address === null ? [] : [`${address}\t${names}`]));
  return ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", ...own, ""].join("\n");
}

/** What the host's files say now. */
export function readResolver(): Resolver {
  return resolverFrom(textOf(hostFile), textOf(systemdFile));
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
