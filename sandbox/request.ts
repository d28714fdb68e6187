// From what somebody asked for to a complete SandboxSpec. Every refusal names the field and the mend, before anything is made.
import { realpathSync, statSync } from "node:fs";
import { posix } from "node:path";
import { type Capability, capabilitiesNamed } from "./capabilities.ts";
import { limitsWithFiles } from "./controller-file.ts";
import { type FurtherRequest, furtherLimits } from "./further-limits.ts";
import { idsOf } from "./named-user.ts";
import {
  checkStrings,
  checkTogether,
  environment,
  guestPath,
  terminalSize,
  type UserRequest,
  user,
} from "./program-request.ts";
import { RequestError } from "./request-error.ts";
import { inodesFor } from "./scratch-size.ts";
import type { SeccompNeeds } from "./seccomp/programs.ts";
import type {
  Grant,
  Limits,
  Names,
  Network,
  Rootfs,
  RootfsMode,
  SandboxSpec,
  TerminalSize,
  TmpfsMount,
} from "./spec.ts";

/** Sizes: 0 or absent is the default. */
export interface RootfsRequest {
  readonly path: string;
  readonly mode: string;
  readonly sizeBytes?: number;
  readonly inodes?: number;
}

/** A request in the units of SandboxSpec. Absent = the default of docs/contract.md. */
export interface JobRequest extends FurtherRequest {
  readonly argv: readonly string[];
  /** `NAME=VALUE`; a later one replaces an earlier one of the same name. */
  readonly env?: readonly string[];
  readonly cwd?: string;
  readonly hostname?: string;
  readonly user?: UserRequest;
  /** Names with or without `CAP_`, or `oci-default`. */
  readonly capabilities?: readonly string[];
  readonly rootfs?: RootfsRequest;
  readonly grants?: readonly Grant[];
  readonly tmpfs?: readonly TmpfsMount[];
  readonly cpus?: number;
  readonly memoryBytes?: number;
  readonly ioBytesPerSecond?: number;
  readonly pids?: number;
  readonly timeoutMs?: number;
  readonly outputBytes?: number;
  readonly outputKill?: boolean;
  readonly stdin?: boolean;
  readonly terminal?: TerminalSize;
}

/** Processes and threads of a job that nobody limits otherwise. */
export const defaultPids = 512;
/** What the changes to an overlay may take when nothing is said. */
const defaultOverlayBytes = 1 << 30;
const longestTimeoutMs = 10 * 365 * 86_400_000;

/** What the caller decided beside the request. */
export interface Surroundings {
  readonly defaultHostname: string;
  readonly network: Network;
  readonly names?: Names;
  /** SandboxSpec.seccomp */
  readonly seccomp: readonly string[];
  /** SandboxSpec.callNames */
  readonly callNames?: readonly string[];
}

/** Checks everything and fills in the defaults. Throws RequestError. */
export function specOf(request: JobRequest, surroundings: Surroundings): SandboxSpec {
  const env = environment(request.env ?? [], request.terminal !== undefined);
  checkStrings("argv", request.argv);
  checkTogether(request.argv, request.env ?? []);
  if ((request.argv[0] ?? "") === "") throw new RequestError("argv", "the command is empty", "name a program to run");
  const root = request.rootfs === undefined ? null : rootfs(request.rootfs);
  return {
    argv: request.argv,
    env,
    cwd: guestPath("cwd", request.cwd ?? "/"),
    hostname: hostname(request.hostname ?? surroundings.defaultHostname),
    user: user(idsOf(request.user ?? { uid: 0, gid: 0 }, root)),
    capabilities: capabilitiesOf(request),
    rootfs: root,
    grants: (request.grants ?? []).map(grant),
    tmpfs: (request.tmpfs ?? []).map(tmpfs),
    network: surroundings.network,
    ...(surroundings.names && { names: surroundings.names }),
    limits: limitsOf(request),
    timeoutMs: timeout(request.timeoutMs ?? 0),
    output: { bytes: whole("output", request.outputBytes ?? 0), kill: request.outputKill === true },
    seccomp: surroundings.seccomp,
    callNames: surroundings.callNames ?? [],
    stdin: request.stdin === true ? "stream" : "null",
    terminal: terminalSize(request.terminal),
  };
}

/** What the filters of the job depend on beside the profile (seccompPrograms). Throws RequestError. */
export function filterNeeds(request: JobRequest): SeccompNeeds {
  return { capabilities: capabilitiesOf(request), writableGrants: writesHost(request) };
}

function writesHost({ grants = [], rootfs }: JobRequest): boolean {
  return grants.some((grant) => grant.writable) || rootfs?.mode === "rw";
}

function capabilitiesOf(request: JobRequest): Capability[] {
  const found = capabilitiesNamed(request.capabilities ?? [], writesHost(request));
  if (Array.isArray(found)) return found;
  throw new RequestError("cap_add", `${JSON.stringify(found.name)} ${found.reason}`, found.mend);
}

/** Throws RequestError. */
export function limitsOf(request: Omit<JobRequest, "argv">): Limits {
  const { cpus = 0, memoryBytes = 0, ioBytesPerSecond = 0, pids = 0 } = request;
  const further = furtherLimits(request);
  if ("reason" in further) throw new RequestError(further.field, further.reason, further.mend);
  return limitsWithFiles({
    cpus: amount("cpus", cpus),
    memoryBytes: whole("memory", memoryBytes),
    ioBytesPerSecond: whole("io", ioBytesPerSecond),
    pids: whole("pids", pids) || defaultPids,
    ...further,
  });
}

function hostname(name: string): string {
  if (/^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$/.test(name)) return name;
  throw new RequestError(
    "hostname",
    `${JSON.stringify(name)} is no host name`,
    "use at most 63 letters, digits, dots and inner hyphens",
  );
}

const rootfsModes: readonly string[] = ["overlay", "ro", "rw"] satisfies RootfsMode[];

function rootfs({ path, mode, sizeBytes = 0, inodes = 0 }: RootfsRequest): Rootfs {
  if (!rootfsModes.includes(mode)) {
    throw new RequestError("rootfs", `mode ${JSON.stringify(mode)} is unknown`, `use one of ${rootfsModes.join(", ")}`);
  }
  const source = hostPath("rootfs", path);
  if (!statSync(source).isDirectory())
    throw new RequestError("rootfs", `${path} is not a folder`, "name the folder that is to become /");
  if (mode === "rw") refuseReachable(path, source);
  if (mode !== "overlay" && (sizeBytes > 0 || inodes > 0)) {
    throw new RequestError("rootfs.size", `bounds what an overlay takes, and the mode is ${mode}`, "leave it out");
  }
  const size = whole("rootfs.size", sizeBytes) || defaultOverlayBytes;
  return {
    path: source,
    mode: mode as RootfsMode,
    sizeBytes: size,
    inodes: whole("rootfs.inodes", inodes) || inodesFor(size),
  };
}

/**
 * A job that may write a root can fill a set-uid program that is in it with instructions of its own: through a shared
 * mapping, which clears no bit. Whoever could run that file on the host would be its owner, so nobody else may get there.
 * The folder itself does not count: the job can open it.
 */
function refuseReachable(path: string, source: string): void {
  for (let folder = source; folder !== "/"; ) {
    folder = posix.dirname(folder);
    const { uid, mode } = statSync(folder);
    if (uid === 0 && (mode & 0o011) === 0) return;
  }
  throw new RequestError(
    "rootfs",
    `${path} can be reached by every user of the host, who could then run a set-uid program that the job has changed`,
    "put it below a folder that only root can search (chmod 700), or use overlay",
  );
}

/** Links resolved: the sandbox opens what comes back without following any. */
function hostPath(field: string, path: string): string {
  guestPath(field, path);
  try {
    return realpathSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const reason = code === "ENOENT" ? `${path} does not exist on the server` : `${path} cannot be used (${code})`;
    throw new RequestError(field, reason, "name a folder or file that is there");
  }
}

/** Where nothing may be mounted over podium's own mounts. */
const ownMounts = /^\/(proc|dev)(\/|$)/;

function mountTarget(field: string, path: string): string {
  const target = guestPath(field, path).replace(/(.)\/$/, "$1");
  if (target === "/")
    throw new RequestError(field, "the root itself cannot be mounted over", "use --rootfs to bring a root");
  if (ownMounts.test(target))
    throw new RequestError(field, `${target} is podium's own there`, "choose a place outside /proc and /dev");
  return target;
}

function grant({ source, target, writable }: Grant, i: number): Grant {
  return { source: hostPath(`dir[${i}]`, source), target: mountTarget(`dir[${i}]`, target), writable };
}

function tmpfs({ target, sizeBytes }: TmpfsMount, i: number): TmpfsMount {
  return { target: mountTarget(`tmpfs[${i}]`, target), sizeBytes: whole(`tmpfs[${i}].size`, sizeBytes) };
}

function amount(field: string, value: number): number {
  if (Number.isFinite(value) && value >= 0) return value;
  throw new RequestError(field, `${value} is not a number from 0 up`, "0 means not asked for");
}

function whole(field: string, value: number): number {
  if (Number.isSafeInteger(amount(field, value))) return value;
  throw new RequestError(field, `${value} is not a whole number below 2^53`);
}

function timeout(milliseconds: number): number {
  if (whole("timeout", milliseconds) <= longestTimeoutMs) return milliseconds;
  throw new RequestError("timeout", "is longer than ten years", "leave it out to have none");
}
