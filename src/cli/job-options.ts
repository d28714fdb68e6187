// The options that describe a job, shared by run, start and sandbox.
import { resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import type { JobRequest, RootfsRequest } from "../../sandbox/request.ts";
import type { Grant, OutputLimit, TmpfsMount } from "../../sandbox/spec.ts";
import { parseDuration, parseOutputLimit, parseSize, parseUserName } from "../../sandbox/units.ts";
import type { User } from "../gen/podium.ts";
import { addFurtherLimits, type FurtherLimits, furtherOfRequest } from "./limit-options.ts";
import { addNetworkOptions, type NetworkFlags } from "./network-options.ts";

/** Paths as typed: what a relative one means depends on whose host it is. */
export interface GrantOption {
  readonly source: string;
  /** undefined: where it is on the host. */
  readonly target: string | undefined;
  readonly writable: boolean;
}

export interface JobOptions extends FurtherLimits, NetworkFlags {
  readonly cpus?: number;
  readonly memory?: number;
  readonly io?: number;
  readonly pids?: number;
  readonly timeout?: number;
  readonly outputLimit?: OutputLimit;
  readonly rootfs?: { path: string; mode: string };
  readonly rootfsSize?: number;
  readonly dir?: GrantOption[];
  readonly tmpfs?: TmpfsMount[];
  readonly env?: string[];
  readonly cwd?: string;
  readonly user?: User;
  readonly hostname?: string;
  readonly seccomp: string;
  readonly capAdd?: string[];
}

function size(text: string): number {
  const bytes = parseSize(text);
  if (bytes === null || bytes === 0)
    throw new InvalidArgumentError(`${JSON.stringify(text)} is not a size; write it like 64M, 1.5G or 512K.`);
  return bytes;
}

function duration(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds === null || milliseconds === 0) {
    throw new InvalidArgumentError(`${JSON.stringify(text)} is not a duration; write it like 500ms, 10s or 5m.`);
  }
  return milliseconds;
}

function outputLimit(text: string): OutputLimit {
  const limit = parseOutputLimit(text);
  if (limit !== null && limit.bytes > 0) return limit;
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a limit on output; write it like 64M or 64M:kill.`);
}

function cores(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value > 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a number of cores; write it like 2 or 0.5.`);
}

function count(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`${JSON.stringify(text)} is not a whole number from 1 up.`);
}

/** What a name means, and the group of an id alone, is looked up where the files are; an older server takes the ids alone. */
export function userOf(text: string): User {
  const parsed = parseUserName(text);
  if (parsed === null) {
    throw new InvalidArgumentError(
      `${JSON.stringify(text)} is not USER or USER:GROUP; write it like 1000 or www-data:adm.`,
    );
  }
  const { user, group = user } = parsed;
  const [uid, gid] = [user, group].map((id) => (/^\d{1,9}$/.test(id) ? Number(id) : null)) as [
    number | null,
    number | null,
  ];
  if (uid === null || gid === null) return { uid: 0, gid: 0, name: text };
  return { uid, gid, name: parsed.group === undefined ? text : "" };
}

function rootfsOf(text: string): { path: string; mode: string } {
  const match = /^(.+):(overlay|ro|rw)$/s.exec(text);
  return match === null ? { path: text, mode: "overlay" } : { path: match[1] as string, mode: match[2] as string };
}

function grantOf(text: string, previous: GrantOption[] = []): GrantOption[] {
  const match = /^(.*?)(?::(ro|rw))?$/s.exec(text);
  const [source = "", target, ...more] = (match?.[1] ?? "").split("::");
  if (more.length > 0)
    throw new InvalidArgumentError(`${JSON.stringify(text)} has more than one "::"; write it like /data::/input:ro.`);
  if (source === "")
    throw new InvalidArgumentError(`${JSON.stringify(text)} names no folder; write it like /data::/input:ro.`);
  const [, host, guest] = /^([^:]+):(\/[^:]*)$/.exec(source) ?? [];
  if (target === undefined && guest !== undefined) {
    // As docker writes it; a folder that is really called so can still be named with its GUEST.
    throw new InvalidArgumentError(`${JSON.stringify(text)} has one colon; write it like ${host}::${guest}.`);
  }
  return [...previous, { source, target, writable: match?.[2] === "rw" }];
}

function scratchOf(text: string, previous: TmpfsMount[] = []): TmpfsMount[] {
  const cut = text.lastIndexOf(":");
  const [target, bytes] = cut < 0 ? [text, 0] : [text.slice(0, cut), size(text.slice(cut + 1))];
  return [...previous, { target, sizeBytes: bytes }];
}

export function another(text: string, previous: string[] = []): string[] {
  return [...previous, text];
}

/** Adds the options to a command. Values come out checked in form; what they mean together is checked by `specOf`. */
export function addJobOptions(command: Command): Command {
  return addNetworkOptions(addFurtherLimits(command))
    .option("--cpus <N>", "cores it may use, for example 0.5", cores)
    .option("-m, --memory <SIZE>", "memory it may use, page cache and tmpfs included", size)
    .option("--io <SIZE>", "bytes per second it may read and, separately, write on disk", size)
    .option("--pids <N>", "processes and threads at once (default 512)", count)
    .option("--timeout <DURATION>", "ends it after this time", duration)
    .option(
      "--output-limit <SIZE[:kill]>",
      "of a longer stream only the first and the last half of SIZE are kept; with :kill it ends the job",
      outputLimit,
    )
    .option("--rootfs <DIR[:MODE]>", "folder that becomes its /; MODE is overlay (default), ro or rw", rootfsOf)
    .option("--rootfs-size <SIZE>", "what changes to an overlay may take, in memory (default 1G)", size)
    .option("-v, --dir <HOST[::GUEST][:ro|rw]>", "folder of the host it may see; repeatable", grantOf)
    .option("--tmpfs <GUEST[:SIZE]>", "empty folder in memory; repeatable", scratchOf)
    .option("-e, --env <NAME=VALUE>", "environment variable; repeatable", another)
    .option("-w, --cwd <DIR>", "folder it starts in (default /)")
    .option("-u, --user <USER[:GROUP]>", "user it runs as inside, by number or by name (default 0)", userOf)
    .option("--hostname <NAME>", "its host name")
    .option("--cap-add <NAME>", "capability inside its user namespace, or oci-default; repeatable", another)
    .option("--seccomp <PROFILE>", "default, unconfined, or an OCI profile in a file", "default");
}

function localGrant({ source, target, writable }: GrantOption): Grant {
  const path = resolve(source);
  return { source: path, target: target ?? path, writable };
}

function localRootfs({ path, mode }: { path: string; mode: string }, sizeBytes = 0): RootfsRequest {
  return { path: resolve(path), mode, sizeBytes };
}

/** The request to this machine that the options make, for a command given as `argv`. */
export function requestOf(argv: readonly string[], options: JobOptions, stdin: boolean): JobRequest {
  return {
    argv,
    stdin,
    ...furtherOfRequest(options),
    ...(options.env && { env: options.env }),
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.hostname !== undefined && { hostname: options.hostname }),
    ...(options.user && { user: options.user }),
    ...(options.rootfs && { rootfs: localRootfs(options.rootfs, options.rootfsSize) }),
    ...(options.dir && { grants: options.dir.map(localGrant) }),
    ...(options.tmpfs && { tmpfs: options.tmpfs }),
    ...(options.capAdd && { capabilities: options.capAdd }),
    ...(options.cpus !== undefined && { cpus: options.cpus }),
    ...(options.memory !== undefined && { memoryBytes: options.memory }),
    ...(options.io !== undefined && { ioBytesPerSecond: options.io }),
    ...(options.pids !== undefined && { pids: options.pids }),
    ...(options.timeout !== undefined && { timeoutMs: options.timeout }),
    ...(options.outputLimit && { outputBytes: options.outputLimit.bytes, outputKill: options.outputLimit.kill }),
  };
}
