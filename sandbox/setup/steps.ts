// What turns a forked copy of init into the command: each step in its place, each with a name that a failure carries.
// The order is security (ARCHITECTURE.md, "Set-up order"): read it from top to bottom.
import { readlinkSync } from "node:fs";
import type { SandboxSpec } from "../spec.ts";
import { setUmask } from "../sys/credentials.ts";
import { closeFrom, dupClosedOnExec, write } from "../sys/descriptors.ts";
import { execve, exitNow } from "../sys/process.ts";
import { type Context, statusDescriptor } from "./context.ts";
import { installFilters, prepareFilters } from "./filters.ts";
import { becomeJobUser, setPrivileges } from "./identity.ts";
import { enterNamespaces, nameHost, resetOomScore } from "./namespaces.ts";
import { execRefusal, findProgram } from "./program.ts";
import { enterRoot } from "./root.ts";
import {
  leaveSessionKeyring,
  placeStdio,
  resetLimits,
  resetScheduling,
  resetSignals,
  startSession,
} from "./session.ts";
import { Refusal, StepError, step } from "./step.ts";

const failureExit = 125;
/** Said on the status pipe when only the filter and exec are left; the number of its listener follows where it has one. */
export const execMark = "x";

/** Never returns: it ends as the command, or writes the failed step (SetupFailure as JSON) to `status` and exits. */
export function becomeCommand(context: Context, status: number): never {
  try {
    dupClosedOnExec(status, statusDescriptor);
    reportPid();
    const home = setUp(context);
    execute(context.spec, home);
  } catch (error) {
    const failure = error instanceof StepError ? error.failure : { step: "setup", errno: "", message: String(error) };
    write(statusDescriptor, Buffer.from(JSON.stringify(failure)));
    exitNow(failureExit);
  }
}

/** /proc is still the host's, which shows everybody under its own numbers. */
function reportPid(): void {
  const pid = Buffer.alloc(4);
  pid.writeUInt32LE(Number(readlinkSync("/proc/self")), 0);
  write(statusDescriptor, pid);
}

function setUp(context: Context): string {
  setUmask(0);
  step("cgroup", () => context.group.enter());
  step("namespaces", () => enterNamespaces(context));
  step("oom-score", resetOomScore);
  step("hostname", () => nameHost(context));
  const home = enterRoot(context);
  step("session", startSession);
  step("stdio", () => placeStdio(context));
  step("rlimits", resetLimits);
  step("scheduling", resetScheduling);
  step("signals", resetSignals);
  step("user", () => becomeJobUser(context));
  step("keyring", leaveSessionKeyring);
  // From here on paths of the request are looked up: with no capability but the job's, and no descriptor of the host to go
  // through, as in `--cwd /proc/self/fd/7` (CVE-2024-21626).
  step("descriptors", () => closeFrom(statusDescriptor + 1));
  step("capabilities", () => setPrivileges(context.spec));
  step("cwd", () => enterWorkingDirectory(context.spec.cwd));
  return home;
}

const folderProblems: Readonly<Record<string, string>> = {
  ENOENT: "no such folder in the job's root",
  ENOTDIR: "is not a folder",
  EACCES: "the job's user may not enter it",
};

function enterWorkingDirectory(path: string): void {
  try {
    process.chdir(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "EIO";
    throw new Refusal(code, `${path}: ${folderProblems[code] ?? code}`);
  }
}

/** Between the filter and exec only execve runs: a profile may refuse anything else. */
function execute(spec: SandboxSpec, home: string): never {
  const env = { HOME: home, ...spec.env };
  const environment = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const program = step("find", () => findProgram(spec.argv[0] ?? "", spec.env.PATH));
  const filters = prepareFilters(spec.seccomp, statusDescriptor);
  write(statusDescriptor, Buffer.from(`${execMark}${filters.listener ?? ""}`));
  step("seccomp", () => installFilters(filters));
  const errno = execve(program, spec.argv, environment);
  return step("exec", () => {
    throw execRefusal(program, errno);
  });
}
