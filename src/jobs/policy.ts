// What the server's configuration adds to a request: defaults, upper bounds, and which host folders a user may name.
import { realpathSync } from "node:fs";
import { join } from "node:path";
import type { IdRanges } from "../../sandbox/id-ranges.ts";
import type { JobRequest } from "../../sandbox/request.ts";
import type { SandboxSpec } from "../../sandbox/spec.ts";
import type { CapabilityRule } from "./capability-rules.ts";
import { InvalidRequest, NotAllowed } from "./errors.ts";
import { refuseFurther } from "./further-policy.ts";
import type { NetworkChoices } from "./network-request.ts";

/** 0 = none. Units as in JobRequest. */
export interface LimitSettings {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly ioBytesPerSecond: number;
  readonly pids: number;
  readonly timeoutMs: number;
  readonly outputBytes: number;
  /** What a job that asks for no limit on output gets; of an upper bound it says nothing. */
  readonly outputKill: boolean;
  /** Of upper bounds only. Absent: the weight of everybody; no bound. */
  readonly cpuWeight?: number;
  readonly ioOperationsPerSecond?: number;
}

export interface FolderRule {
  /** Absolute, without links or a `/` at its end; it and all below it may be named. */
  readonly path: string;
  /** Users that may; `*` is everybody. */
  readonly users: readonly string[];
  readonly write: boolean;
}

/** Of one upload, download or copy; 0 = none. */
export interface CopyBounds {
  readonly bytes: number;
  readonly files: number;
}

export interface Policy {
  readonly defaults: LimitSettings;
  readonly maximum: LimitSettings;
  readonly folders: readonly FolderRule[];
  readonly copies: CopyBounds;
  /** Folder, without links, of the users' own folders: each user may name the own one. */
  readonly homes?: string;
  readonly capabilities: readonly CapabilityRule[];
  /** Ids of the host that are for jobs. */
  readonly ids: IdRanges;
  /** Files of control groups that a request may set by itself. */
  readonly cgroupFiles?: readonly string[];
  /** Podium's own files and folders: nobody may name what holds one or lies in one, whatever the rules say. */
  readonly own: readonly string[];
  readonly network: NetworkChoices;
}

const fields = [
  ["cpus", "cpu"],
  ["memoryBytes", "mem"],
  ["ioBytesPerSecond", "io"],
  ["pids", "pids"],
  ["timeoutMs", "timeout_ms"],
  ["outputBytes", "output_limit"],
] as const;

/** Throws InvalidRequest or NotAllowed naming the field. Paths come back resolved: what was checked is what is used. */
export function applyPolicy(request: JobRequest, policy: Policy, user: string): JobRequest {
  const { rootfs } = request;
  const { homes: _, ...shared } = policy; // a root's files have owners of their own, and those of a home have one
  refuseFurther({ ...request, ...limits(request, policy) }, policy);
  const mayName = (field: string, path: string, write: boolean) => allowedPath(policy, user, field, path, write);
  return {
    ...request,
    ...limits(request, policy),
    grants: (request.grants ?? []).map((grant, i) => ({
      ...grant,
      source: mayName(`grants[${i}].source`, grant.source, grant.writable),
    })),
    ...(rootfs && {
      rootfs: { ...rootfs, path: allowedPath(shared, user, "rootfs.path", rootfs.path, rootfs.mode === "rw") },
    }),
  };
}

/**
 * A path that a running job may write can be swapped for a link between two looks at it: the one that is used must be the
 * one that was allowed. Throws NotAllowed.
 */
export function refuseMoved(allowed: JobRequest, { grants, rootfs }: SandboxSpec): void {
  const moved = grants.findIndex(({ source }, i) => source !== allowed.grants?.[i]?.source);
  if (moved >= 0) throw new NotAllowed(`grants[${moved}].source: it was moved while it was checked`);
  if (rootfs !== null && rootfs.path !== allowed.rootfs?.path) {
    throw new NotAllowed("rootfs.path: it was moved while it was checked");
  }
}

function limits(request: JobRequest, { defaults, maximum }: Policy): Partial<JobRequest> {
  const amounts = fields.map(([field, wire]) => [
    field,
    limit(wire, request[field] ?? 0, defaults[field], maximum[field]),
  ]);
  const outputKill = request.outputKill === true || ((request.outputBytes ?? 0) === 0 && defaults.outputKill);
  const operations = limit("io_ops", request.ioOperationsPerSecond ?? 0, 0, maximum.ioOperationsPerSecond ?? 0);
  return { ...Object.fromEntries(amounts), ioOperationsPerSecond: operations, outputKill };
}

/** Nothing asked: the default, or else the bound itself, since no limit at all would be above it. */
function limit(field: string, asked: number, usual: number, maximum: number): number {
  const withinBound = usual > 0 && (maximum === 0 || usual <= maximum);
  const value = asked === 0 ? (withinBound ? usual : maximum) : asked;
  if (maximum === 0 || !(value > maximum)) return value;
  throw new InvalidRequest(field, `${value} is above this server's bound`, `ask for at most ${maximum}`);
}

function allowedPath(policy: Policy, user: string, field: string, path: string, write: boolean): string {
  const resolved = resolvedPath(field, path);
  if (policy.homes !== undefined && isWithin(resolved, join(policy.homes, user))) return resolved;
  const found = policy.folders.filter(
    (rule) => isWithin(resolved, rule.path) && (rule.users.includes("*") || rule.users.includes(user)),
  );
  if (found.length > 0 && policy.own.some((own) => isWithin(resolved, own) || isWithin(own, resolved))) {
    throw new NotAllowed(`${field}: ${path} holds or is podium's own data or key, which no job may see`);
  }
  if (found.some((rule) => rule.write || !write)) return resolved;
  const way = found.length > 0 ? "written" : "named";
  throw new NotAllowed(
    `${field}: ${path} may not be ${way} by ${user}; the server's configuration allows it with "folders"`,
  );
}

function resolvedPath(field: string, path: string): string {
  if (!path.startsWith("/"))
    throw new InvalidRequest(field, `${JSON.stringify(path)} is not an absolute path`, "begin it with /");
  try {
    return realpathSync(path);
  } catch {
    // Whether it exists is told only to those who may name it: an absent path is as forbidden as any other.
    return path;
  }
}

function isWithin(path: string, folder: string): boolean {
  const base = folder === "/" ? "/" : `${folder}/`;
  return path === folder || path.startsWith(base);
}
