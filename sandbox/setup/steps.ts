// What turns a forked copy of init into the command: each step in its place, each with a name that a failure carries.
// The order is security (ARCHITECTURE.md, "Set-up order"): read it from top to bottom.
import { readlinkSync } from "node:fs";
import { FrameReader } from "../frames.ts";
import type { ProgramSpec, SandboxSpec } from "../spec.ts";
import { setUmask } from "../sys/credentials.ts";
import { closeFrom, dupClosedOnExec, O_DIRECTORY, O_PATH, open, read, write } from "../sys/descriptors.ts";
import { POLLIN, PollSet } from "../sys/poll.ts";
import { execve, exitNow } from "../sys/process.ts";
import { resetDispositions, unblockAllSignals } from "../sys/signals.ts";
import { type Context, type Descent, type Ground, statusDescriptor } from "./context.ts";
import { installFilters, prepareFilters } from "./filters.ts";
import { becomeJobUser, setPrivileges } from "./identity.ts";
import { joinNetwork, makeNamespaces, nameHost, resetOomScore } from "./namespaces.ts";
import { isPlain, type NetworkKind, networkKind } from "./plain.ts";
import { execRefusal, findProgram } from "./program.ts";
import { buildRoot, closeRoot, enterRoot, furnishRoot } from "./root.ts";
import { leaveSessionKeyring, placeStdio, resetLimits, resetScheduling, startSession } from "./session.ts";
import { Refusal, StepError, step } from "./step.ts";
import { takeTerminal } from "./terminal.ts";

const failureExit = 125;
const requestChunk = 16 << 10;
/** Said on the status pipe when all is done that needs no request. */
export const readyMark = "r";
/** Said by init on the same socket when the job may begin: its limits hold, and there is a place for all that it leaves. */
export const releaseMark = "g";
/** Said on the status pipe when only the filter and exec are left; the number of its listener follows where it has one. */
export const execMark = "x";

/** What to run: known from the beginning, or a plain job that is told later, in one frame on a pipe. */
export type Errand =
  | { readonly kind: "known"; readonly spec: SandboxSpec }
  | { readonly kind: "told"; readonly pipe: number; readonly network: NetworkKind };

/** Never returns: it ends as the command, or writes the failed step (SetupFailure as JSON) to `status` and exits. */
export function becomeCommand(ground: Ground, errand: Errand, status: number): never {
  return reporting(status, () => {
    const hostProc = open("/proc", O_PATH | O_DIRECTORY);
    const entered = prepare(ground, errand);
    write(statusDescriptor, Buffer.from(readyMark));
    const spec = errand.kind === "known" ? errand.spec : receiveSpec(errand.pipe);
    const home = finish({ ...ground, spec, hostProc }, entered);
    awaitRelease();
    return execute(spec, home);
  });
}

/**
 * Runs `steps` with the status pipe in its place: the process's pid is the first that is said on it, a failure the last.
 * Signals, which are all blocked still, do here what they do by default: the many calls for it lie before a request.
 */
export function reporting(status: number, steps: () => never): never {
  try {
    dupClosedOnExec(status, statusDescriptor);
    reportPid();
    step("signals", resetDispositions);
    return steps();
  } catch (error) {
    const failure = error instanceof StepError ? error.failure : { step: "setup", errno: "", message: String(error) };
    write(statusDescriptor, Buffer.from(JSON.stringify(failure)));
    return exitNow(failureExit);
  }
}

/** /proc is still the host's, which shows everybody under its own numbers. */
function reportPid(): void {
  const pid = Buffer.alloc(4);
  pid.writeUInt32LE(Number(readlinkSync("/proc/self")), 0);
  write(statusDescriptor, pid);
}

/** What needs no request. Says whether the root has been entered already. */
function prepare(ground: Ground, errand: Errand): boolean {
  const [spec, network] = errand.kind === "known" ? [errand.spec, networkKind(errand.spec)] : [null, errand.network];
  const plain = spec === null || isPlain(spec);
  setUmask(0);
  step("cgroup", () => ground.group.enter());
  step("namespaces", () => makeNamespaces(network));
  step("oom-score", resetOomScore);
  buildRoot(ground, spec?.rootfs ?? null);
  if (plain) step("pivot", enterRoot);
  return plain;
}

/** Waits for the request of a ready-made job. When init has gone, nobody will ever want this process. */
function receiveSpec(pipe: number): SandboxSpec {
  const frames = new FrameReader();
  const chunk = Buffer.allocUnsafe(requestChunk);
  for (;;) {
    const n = read(pipe, chunk);
    if (n === 0) exitNow(0);
    if (n !== null) frames.push(Buffer.from(chunk.subarray(0, n)));
    const frame = frames.next();
    if (frame !== null) return JSON.parse(frame.payload.toString()).spec;
  }
}

/** Until init has done its part, which it does meanwhile. When it has gone, nobody will ever want this process. */
function awaitRelease(): void {
  const mark = Buffer.alloc(1);
  const set = new PollSet();
  set.add(statusDescriptor, POLLIN);
  for (let n = read(statusDescriptor, mark); n !== 1; n = read(statusDescriptor, mark)) {
    if (n === 0) exitNow(0);
    set.wait(-1);
  }
}

/** What needs the request. Returns HOME. */
function finish(context: Context, entered: boolean): string {
  step("network", () => joinNetwork(context));
  step("hostname", () => nameHost(context));
  const home = furnishRoot(context);
  if (!entered) step("pivot", enterRoot);
  step("root", () => closeRoot(context));
  becomeUnprivileged(context);
  return home;
}

/** From host root, in the job's root, to the job's user in its working directory: what is left is the filter and exec. */
export function becomeUnprivileged(context: Descent): void {
  step("session", startSession);
  step("stdio", () => placeStdio(context));
  step("rlimits", resetLimits);
  step("scheduling", resetScheduling);
  step("signals", unblockAllSignals);
  step("user", () => becomeJobUser(context));
  step("keyring", leaveSessionKeyring);
  // From here on paths of the request are looked up: with no capability but the job's, and no descriptor of the host to go
  // through, as in `--cwd /proc/self/fd/7` (CVE-2024-21626).
  step("descriptors", () => closeFrom(statusDescriptor + 1));
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
