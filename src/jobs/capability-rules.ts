// Which users may ask for which capabilities.
import type { SandboxSpec } from "../../sandbox/spec.ts";
import { NotAllowed } from "./errors.ts";

export interface CapabilityRule {
  /** Users that may; `*` is everybody. */
  readonly users: readonly string[];
  readonly names: readonly string[];
}

/** Throws NotAllowed naming the first capability of the job that no rule allows the user. */
export function refuseCapabilities(
  rules: readonly CapabilityRule[],
  user: string,
  { capabilities }: SandboxSpec,
): void {
  const mine = rules.filter(({ users }) => users.includes("*") || users.includes(user));
  const refused = capabilities.find((name) => !mine.some(({ names }) => names.includes(name)));
  if (refused === undefined) return;
  throw new NotAllowed(
    `cap_add: ${refused} may not be had by ${user}; the server's configuration allows it with "capabilities"`,
  );
}
