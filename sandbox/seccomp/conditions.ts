// Whether a rule applies on this host, as Docker decides it (`includes`, `excludes` of its profiles).
import { release } from "node:os";
import type { Architecture } from "./architecture.ts";
import type { Conditions, Rule } from "./profile.ts";

export interface Circumstances {
  /** The job's capabilities without `CAP_`. */
  readonly capabilities: ReadonlySet<string>;
  readonly architecture: Architecture;
  /** Major and minor. */
  readonly kernel: readonly [number, number];
}

/** Major and minor of the running kernel. */
export function runningKernel(): [number, number] {
  const [major, minor] = release().split(/[.-]/);
  return [Number(major), Number(minor)];
}

function kernelReaches(kernel: readonly [number, number], least: readonly [number, number]): boolean {
  return kernel[0] > least[0] || (kernel[0] === least[0] && kernel[1] >= least[1]);
}

function included(conditions: Conditions, host: Circumstances): boolean {
  const { arches, capabilities, minKernel } = conditions;
  if (arches.length > 0 && !arches.includes(host.architecture.goName)) return false;
  if (minKernel !== null && !kernelReaches(host.kernel, minKernel)) return false;
  return capabilities.every((name) => host.capabilities.has(name));
}

function excluded(conditions: Conditions, host: Circumstances): boolean {
  const { arches, capabilities, minKernel } = conditions;
  if (arches.includes(host.architecture.goName)) return true;
  if (minKernel !== null && kernelReaches(host.kernel, minKernel)) return true;
  return capabilities.some((name) => host.capabilities.has(name));
}

/** All of `includes` must hold and nothing of `excludes`. */
export function ruleApplies(rule: Rule, host: Circumstances): boolean {
  return included(rule.includes, host) && !excluded(rule.excludes, host);
}
