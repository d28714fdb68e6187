import { type InfoResponse, type InfoServer, Role } from "../../gen/podium.ts";
import type { Caller, Jobs } from "../../jobs/jobs.ts";
import type { LimitSettings } from "../../jobs/policy.ts";
import { type CallContext, unary } from "../calls.ts";
import { limitsOf } from "../wire.ts";

const apiVersion = 1;
const roles = { user: Role.USER, admin: Role.ADMIN, viewer: Role.VIEWER } as const;

export interface ServerFacts {
  readonly version: string;
  readonly defaults: LimitSettings;
  readonly maximum: LimitSettings;
}

export function infoService(jobs: Jobs, context: CallContext, facts: ServerFacts): InfoServer {
  return { info: unary(context, "Info", (caller: Caller) => info(jobs, caller, facts)) };
}

function info(jobs: Jobs, caller: Caller, { version, defaults, maximum }: ServerFacts): InfoResponse {
  return {
    version,
    apiVersion,
    dataId: jobs.data.id,
    user: caller.user,
    role: roles[caller.role],
    defaultLimits: limitsOf(defaults, defaults.timeoutMs, outputOf(defaults)),
    maxLimits: limitsOf(maximum, maximum.timeoutMs, outputOf(maximum)),
  };
}

function outputOf({ outputBytes, outputKill }: LimitSettings) {
  return { bytes: outputBytes, kill: outputKill };
}
