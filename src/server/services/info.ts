import { defaultPids } from "../../../sandbox/request.ts";
import { type InfoResponse, type InfoServer, Role, type Quota as WireQuota } from "../../gen/podium.ts";
import type { Caller, Jobs } from "../../jobs/jobs.ts";
import type { LimitSettings } from "../../jobs/policy.ts";
import type { Quota } from "../../jobs/quotas.ts";
import { type CallContext, unary } from "../calls.ts";
import { limitsOf } from "../wire.ts";

const apiVersion = 2;
const roles = { user: Role.USER, admin: Role.ADMIN, viewer: Role.VIEWER } as const;

export interface ServerFacts {
  readonly version: string;
  readonly defaults: LimitSettings;
  readonly maximum: LimitSettings;
}

export function infoService(jobs: Jobs, context: CallContext, facts: ServerFacts): InfoServer {
  return { info: unary(context, "Info", (caller: Caller) => info(jobs, caller, facts)) };
}

async function info(jobs: Jobs, caller: Caller, facts: ServerFacts): Promise<InfoResponse> {
  const { version, defaults, maximum } = facts;
  const usual = usualLimits(defaults, maximum);
  const { quota, total, use, queue } = await jobs.standing(caller);
  return {
    version,
    apiVersion,
    dataId: jobs.data.id,
    user: caller.user,
    role: roles[caller.role],
    defaultLimits: limitsOf(usual, usual.timeoutMs, outputOf(defaults)),
    maxLimits: limitsOf(maximum, maximum.timeoutMs, outputOf(maximum)),
    quota: wireQuota(quota),
    serverQuota: wireQuota(total),
    use: {
      jobs: BigInt(use.jobs),
      startsInLastMinute: BigInt(use.startsInLastMinute),
      cpus: use.cpus,
      memoryBytes: BigInt(use.memoryBytes),
      diskBytes: BigInt(use.diskBytes),
      queuedJobs: BigInt(use.queued),
    },
    queue: { size: BigInt(queue.size), perUser: BigInt(queue.perUser), waiting: BigInt(queue.waiting) },
  };
}

const bounded = ["cpus", "memoryBytes", "ioBytesPerSecond", "pids", "timeoutMs"] as const;

/** As src/jobs/policy.ts does it: a job that asks for nothing gets the default, or else the bound. */
function usualLimits(defaults: LimitSettings, maximum: LimitSettings): LimitSettings {
  const usual = Object.fromEntries(bounded.map((field) => [field, defaults[field] || maximum[field]]));
  return { ...defaults, ...usual, pids: usual.pids || defaultPids };
}

function wireQuota({ jobs, startsPerMinute, cpus, memoryBytes, diskBytes }: Quota): WireQuota {
  return {
    jobs: BigInt(jobs),
    startsPerMinute: BigInt(startsPerMinute),
    cpus,
    memoryBytes: BigInt(memoryBytes),
    diskBytes: BigInt(diskBytes),
  };
}

function outputOf({ outputBytes, outputKill }: LimitSettings) {
  return { bytes: outputBytes, kill: outputKill };
}
