// What turns a child of init into the command: each step in its place, each with a name that a failure carries.
// The order is security (ARCHITECTURE.md, "Set-up order"): read it from top to bottom.
import type { ProgramSpec, SandboxSpec } from "../spec.ts";
import { setUmask } from "../sys/credentials.ts";
import { closeFrom, dupClosedOnExec, O_DIRECTORY, O_PATH, open, write } from "../sys/descriptors.ts";
import { readLink } from "../sys/files.ts";
import { execve, exitNow } from "../sys/process.ts";
import { resetDispositions, unblockAllSignals } from "../sys/signals.ts";
import type { Program } from "../sys/vfork.ts";
import { type Descent, type Ground, statusDescriptor } from "./context.ts";
import { installFilters, prepareFilters } from "./filters.ts";
import { becomeJobUser, setPrivileges } from "./identity.ts";
import {
  joinNamespaces,
  joinNetwork,
  makeNamespaces,
  nameHost,
  openOwnNamespaces,
  type Rooms,
  resetOomScore,
} from "./namespaces.ts";
import { type NetworkKind, networkKind } from "./plain.ts";
import { execRefusal, findProgram } from "./program.ts";
import { buildRoot, closeRoot, enterRoot, furnishRoot } from "./root.ts";
import {
  leaveSessionKeyring,
  limitOpenFiles,
  placeStdio,
  resetLimits,
  resetScheduling,
  startSession,
} from "./session.ts";
import { Refusal, StepError, step } from "./step.ts";
import { takeTerminal } from "./terminal.ts";

const failureExit = 125;
/** Said on the status pipe when only the filter and exec are left; the number of its listener follows where it has one. */
export const execMark = "x";

/** In a forked copy of init, for any job. Never returns: it ends as the command, or tells the failed step and exits. */
export function becomeCommand(ground: Ground, spec: SandboxSpec, status: number): never {
  return reporting(status, () => {
    const context = { ...ground, spec, hostProc: openHostProc() };
    separate();
    setUmask(0);
    step("cgroup", () => ground.group.enter());
    step("namespaces", () => makeNamespaces(networkKind(spec)));
    step("network", () => joinNetwork(spec));
    buildRoot(ground, spec.rootfs);
    step("hostname", () => nameHost(context));
    const home = furnishRoot(context);
    step("pivot", enterRoot);
    step("root", () => closeRoot(context));
    becomeUnprivileged(context);
    return execute(spec, home);
  });
}

/**
 * The first half, of a plain job, in a child with init's memory and descriptors: makes the namespaces and the root in which the
 * second will find itself, and ends. Returns their descriptors.
 */
export function makeRooms(ground: Ground, network: NetworkKind): Rooms {
  setUmask(0);
  step("cgroup", () => ground.group.enter()); // where the cgroup namespace begins
  step("namespaces", () => makeNamespaces(network));
  const rooms = step("namespaces", () => openOwnNamespaces(network));
  buildRoot(ground, null);
  step("pivot", enterRoot);
  return rooms;
}

/**
 * What of its parent a command must not have, as far as no request need be known: signals, which are all blocked still, do what
 * they do by default, and so on. /proc is the host's.
 */
export function separate(): void {
  step("signals", resetDispositions);
  step("oom-score", resetOomScore);
  step("session", startSession);
  step("rlimits", resetLimits);
  step("scheduling", resetScheduling);
}

/**
 * The second half, in another child with init's memory and descriptors of its own, in the group already. Returns what is left
 * to do: exec. null: it failed, and has told the step.
 */
export function enterRooms(ground: Ground, spec: SandboxSpec, rooms: Rooms, status: number): Program | null {
  return reported(status, () => {
    const context = { ...ground, spec, hostProc: openHostProc() };
    setUmask(0);
    step("network", () => joinNetwork(spec));
    step("namespaces", () => joinNamespaces(rooms));
    step("hostname", () => nameHost(context));
    const home = furnishRoot(context);
    step("root", () => closeRoot(context));
    becomeUnprivileged(context);
    return programOf(spec, home);
  });
}

function openHostProc(): number {
  return open("/proc", O_PATH | O_DIRECTORY);
}

/**
 * Runs `steps` with the status pipe in its place: the process's pid is the first that is said on it, a failure (SetupFailure as
 * JSON) the last.
 */
function reported<T>(status: number, steps: () => T): T | null {
  try {
    dupClosedOnExec(status, statusDescriptor);
    reportPid();
    return steps();
  } catch (error) {
    const failure = error instanceof StepError ? error.failure : { step: "setup", errno: "", message: String(error) };
    write(statusDescriptor, Buffer.from(JSON.stringify(failure)));
    return null;
  }
}

/** In a forked process, which ends when a step fails. */
export function reporting(status: number, steps: () => never): never {
  reported(status, steps);
  return exitNow(failureExit);
}

/** /proc is still the host's, which shows everybody under its own numbers. */
function reportPid(): void {
  const pid = Buffer.allocUnsafe(4);
  pid.writeUInt32LE(Number(readLink("/proc/self")), 0);
  write(statusDescriptor, pid);
}

/** From host root, in the job's root, to the job's user in its working directory: what is left is the filter and exec. */
export function becomeUnprivileged(context: Descent): void {
  step("stdio", () => placeStdio(context));
  step("signals", unblockAllSignals);
  step("user", () => becomeJobUser(context));
  step("keyring", leaveSessionKeyring);
  // From here on paths of the request are looked up: with no capability but the job's, and no descriptor of the host to go
  // through, as in `--cwd /proc/self/fd/7` (CVE-2024-21626).
  step("descriptors", () => closeFrom(statusDescriptor + 1));
  step("rlimits", limitOpenFiles);
  step("capabilities", () => setPrivileges(context.spec));
  step("terminal", () => takeTerminal(context));
  step("cwd", () => enterWorkingDirectory(context.spec.cwd));
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
export function execute(spec: ProgramSpec, home: string): never {
  const { path, argv, env } = programOf(spec, home);
  const errno = execve(path, argv, env);
  return step("exec", () => {
    throw execRefusal(path, errno);
  });
}

/** The last step before exec. */
function programOf(spec: ProgramSpec, home: string): Program {
  const env = Object.entries({ HOME: home, ...spec.env }).map(([name, value]) => `${name}=${value}`);
  const path = step("find", () => findProgram(spec.argv[0] ?? "", spec.env.PATH));
  const filters = prepareFilters(spec.seccomp, statusDescriptor);
  write(statusDescriptor, Buffer.from(`${execMark}${filters.listener ?? ""}`));
  step("seccomp", () => installFilters(filters));
  return { path, argv: spec.argv, env };
}
