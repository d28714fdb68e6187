// The filters of one job: what the user chose, and the guard under writable grants.
import { readFileSync } from "node:fs";
import type { SandboxSpec } from "../spec.ts";
import { compileProfile } from "./compile.ts";
import defaultProfile from "./default.json" with { type: "json" };
import { refuse } from "./errors.ts";
import { callNames, isNotifying } from "./kill-notice.ts";
import { type Profile, parseProfile, readProfile } from "./profile.ts";
import { compileSetuidGuard } from "./setuid-guard.ts";

/** `--seccomp`: podium's profile, none, or an OCI profile in a file or given as it is. */
export type SeccompChoice =
  | { readonly kind: "default" }
  | { readonly kind: "unconfined" }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "text"; readonly text: string };

/** What a job's filters depend on beside the choice. */
export interface SeccompNeeds {
  /** The job's capabilities, with or without `CAP_`. */
  readonly capabilities: readonly string[];
  /** Whether the job can write to folders of the host (a `rw` grant or rootfs). */
  readonly writableGrants: boolean;
}

/** Base64 programs by what went into them. Compiling takes tens of milliseconds, so each text is compiled once. */
const compiled = new Map<string, string>();
const mostCompiled = 64;

function once(key: string, compile: () => Uint8Array): string {
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const program = Buffer.from(compile()).toString("base64");
  const oldest = compiled.keys().next();
  if (compiled.size >= mostCompiled && oldest.done !== true) compiled.delete(oldest.value);
  compiled.set(key, program);
  return program;
}

function readProfileFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    refuse(path, `the seccomp profile cannot be read (${(error as NodeJS.ErrnoException).code}); check the path`);
  }
}

function profileProgram(choice: SeccompChoice, capabilities: readonly string[]): string[] {
  const key = (text: string) => JSON.stringify([choice.kind, text, capabilities.toSorted()]);
  const compile = (profile: Profile) => compileProfile(profile, { capabilities });
  const ownProfile = (text: string, place: string) => [once(key(text), () => compile(parseProfile(text, place)))];
  switch (choice.kind) {
    case "unconfined":
      return [];
    case "default":
      return [once(key(""), () => compile(readProfile(defaultProfile, "default.json")))];
    case "file":
      return ownProfile(readProfileFile(choice.path), choice.path);
    case "text":
      return ownProfile(choice.text, "profile");
  }
}

/**
 * The filters of a job in the order of installing, each `struct sock_filter[]` in base64 (SandboxSpec.seccomp). The
 * guard comes first: a user's profile may well forbid the seccomp call that would install it.
 */
export function seccompPrograms(choice: SeccompChoice, needs: SeccompNeeds): string[] {
  const guard = needs.writableGrants ? [once("set-uid guard", compileSetuidGuard)] : [];
  return [...guard, ...profileProgram(choice, needs.capabilities)];
}

/** What most jobs have, for the zygote to keep. Nothing where it cannot be compiled: the next Start tells the reason. */
export function usualFilter(): { readonly usualFilter?: string } {
  try {
    const [program] = seccompPrograms({ kind: "default" }, { capabilities: [], writableGrants: false });
    return program === undefined ? {} : { usualFilter: program };
  } catch {
    return {};
  }
}

/** The part of a SandboxSpec that is about filters. */
export function seccompFilters(choice: SeccompChoice, needs: SeccompNeeds): Pick<SandboxSpec, "seccomp" | "callNames"> {
  const seccomp = seccompPrograms(choice, needs);
  const kills = seccomp.some((program) => isNotifying(Buffer.from(program, "base64")));
  return { seccomp, callNames: kills ? callNames() : [] };
}
