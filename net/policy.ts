// What a job may reach and who may reach it: from what was typed to checked data. Pure.
import { type Cidr, contains, type Family, formatCidr, parseCidr } from "./addresses.ts";
import { invalid } from "./errors.ts";

/** As typed: `--allow CIDR[:PORT]`, `--deny CIDR`, `--publish HOST:JOB[/udp]`. */
export interface PolicyRequest {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly publish: readonly string[];
}

/** A block of addresses, and one port of it or (null) all traffic to it. */
export interface Target {
  readonly cidr: Cidr;
  readonly port: number | null;
}

export interface PublishedPort {
  readonly protocol: "tcp" | "udp";
  /** Port of the host. */
  readonly host: number;
  readonly job: number;
}

/** Checked, without duplicates; no block of a list lies within another of the same list and port. */
export interface JobPolicy {
  /** Empty: everything that is not refused. */
  readonly allow: readonly Target[];
  readonly deny: readonly Cidr[];
  readonly publish: readonly PublishedPort[];
}

/** As written in the configuration: `deny` takes blocks or the word `private`, `permit` takes CIDR[:PORT]. */
export interface ServerPolicySettings {
  readonly deny: readonly string[];
  readonly permit: readonly string[];
}

export interface ServerPolicy {
  /** Refused to every job: metadata, link-local and what the configuration adds. */
  readonly refused: readonly Cidr[];
  /** What the configuration opens although it would be refused, services of the host included. */
  readonly permitted: readonly Target[];
}

/** Cloud metadata services that are not link-local, and everything link-local (RFC 3927, RFC 4291). */
const alwaysRefused = [
  "169.254.0.0/16",
  "100.100.100.200",
  "100.96.0.96",
  "100.80.80.80",
  "fe80::/10",
  "fd00:ec2::254",
  // What leads to IPv4 addresses in IPv6 dress would be a way around the blocks above.
  "64:ff9b::/96",
  "::ffff:0:0/96",
  "2002::/16",
] as const;

/** RFC 1918, RFC 6598, RFC 4193. */
const privateRanges = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"] as const;

/** Most entries of one list of one job: what it may cost the host's firewall. */
const longestList = 256;

/** Throws NetworkError (invalid). */
export function serverPolicy({ deny, permit }: ServerPolicySettings): ServerPolicy {
  const added = deny.flatMap((text, i) =>
    text === "private" ? privateRanges.map(known) : [block(`network.deny[${i}]`, text)],
  );
  return {
    refused: outermost([...alwaysRefused.map(known), ...added]),
    permitted: outermostTargets(permit.map((text, i) => target(`network.permit[${i}]`, text))),
  };
}

function known(text: string): Cidr {
  return block("", text);
}

/** Throws NetworkError (invalid) naming the entry; an entry that could have no effect is refused, not ignored. */
export function jobPolicy(request: PolicyRequest, server: ServerPolicy): JobPolicy {
  for (const [field, list] of Object.entries(request) as [string, readonly string[]][]) checkLength(field, list);
  const allow = request.allow.map((text, i) => allowed(`allow[${i}]`, text, server));
  return {
    allow: outermostTargets(allow),
    deny: outermost(request.deny.map((text, i) => block(`deny[${i}]`, text))),
    publish: publishedPorts(request.publish),
  };
}

export function isDefaultPolicy({ allow, deny, publish }: JobPolicy): boolean {
  return allow.length + deny.length + publish.length === 0;
}

function checkLength(field: string, list: readonly string[]): void {
  if (list.length > longestList) {
    throw invalid(field, `has ${list.length} entries, at most ${longestList}`, "name larger blocks");
  }
}

/** A job cannot open for itself what the server refuses. */
function allowed(field: string, text: string, server: ServerPolicy): Target {
  const wanted = target(field, text);
  const refused = server.refused.find((range) => contains(range, wanted.cidr));
  const opened = server.permitted.some((entry) => contains(entry.cidr, wanted.cidr));
  if (refused === undefined || opened) return wanted;
  throw invalid(
    field,
    `${text} is in ${formatCidr(refused)}, which this server refuses to every job`,
    "only the server's configuration opens it (network.permit)",
  );
}

function block(field: string, text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr !== null) return cidr;
  throw invalid(
    field,
    `${JSON.stringify(text)} is no address or CIDR block`,
    "write it like 192.0.2.0/24 or 2001:db8::/32",
  );
}

/** `CIDR`, `CIDR:PORT`, and for IPv6 with a port `[CIDR]:PORT`. Throws NetworkError (invalid). */
function target(field: string, text: string): Target {
  const whole = parseCidr(text);
  if (whole !== null) return { cidr: whole, port: null };
  const [, bracketed, plain, port = ""] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d+)$/.exec(text) ?? [];
  const cidr = parseCidr(bracketed ?? plain ?? "");
  if (cidr === null || (bracketed !== undefined) !== (cidr.family === 6)) {
    throw invalid(
      field,
      `${JSON.stringify(text)} is not CIDR or CIDR:PORT`,
      "write it like 192.0.2.0/24:443 or [2001:db8::/32]:443",
    );
  }
  return { cidr, port: portNumber(field, port) };
}

function portNumber(field: string, text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw invalid(field, `${JSON.stringify(text)} is not a port`, "use a number from 1 to 65535");
}

function publishedPorts(list: readonly string[]): PublishedPort[] {
  const ports = new Map<string, PublishedPort>();
  for (const [i, text] of list.entries()) {
    const port = publishedPort(`publish[${i}]`, text);
    const key = `${port.host}/${port.protocol}`;
    const other = ports.get(key);
    if (other !== undefined && other.job !== port.job) {
      throw invalid(`publish[${i}]`, `host port ${key} is published twice`, "give each its own host port");
    }
    ports.set(key, port);
  }
  return [...ports.values()];
}

/** `HOST:JOB[/udp]`. Throws NetworkError (invalid). */
function publishedPort(field: string, text: string): PublishedPort {
  const [, host, job, protocol = "tcp"] = /^(\d+):(\d+)(?:\/(tcp|udp))?$/.exec(text) ?? [];
  if (host === undefined || job === undefined) {
    throw invalid(field, `${JSON.stringify(text)} is not HOST:JOB[/udp]`, "write it like 8080:80 or 5353:53/udp");
  }
  return { protocol: protocol as "tcp" | "udp", host: portNumber(field, host), job: portNumber(field, job) };
}

/** Blocks that lie in no other of the list, each once: the kernel's interval sets take no overlaps. */
export function outermost(blocks: readonly Cidr[]): Cidr[] {
  return outermostTargets(blocks.map((cidr) => ({ cidr, port: null }))).map(({ cidr }) => cidr);
}

function outermostTargets(targets: readonly Target[]): Target[] {
  const kept: Target[] = [];
  for (const entry of [...targets].sort((a, b) => a.cidr.length - b.cidr.length)) {
    if (!kept.some((other) => other.port === entry.port && contains(other.cidr, entry.cidr))) kept.push(entry);
  }
  return kept;
}

export function ofFamily(blocks: readonly Cidr[], family: Family): Cidr[] {
  return blocks.filter((block) => block.family === family);
}

/** Whether a job with this policy may send to an address, by the rules alone: the meaning that the ruleset must have. */
export function mayReach(job: JobPolicy, server: ServerPolicy, to: Cidr, port: number | null): boolean {
  const covers = (entry: Target) => contains(entry.cidr, to) && (entry.port === null || entry.port === port);
  if (job.deny.some((range) => contains(range, to))) return false;
  if (!server.permitted.some(covers) && server.refused.some((range) => contains(range, to))) return false;
  return job.allow.length === 0 || job.allow.some(covers);
}
