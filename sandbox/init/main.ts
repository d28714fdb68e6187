// pid 1 of one job: a forked copy of the zygote, host root, in the host's mount namespace, without an event loop.
// It moves the command's output into the job folder, feeds its stdin, passes signals on, keeps the deadline, reaps, and
// writes down how the job ended. It looks up no name, loads no library and walks no path of the job's root.
import { readlinkSync, unlinkSync, writeFileSync, writeSync } from "node:fs";
import { createGroup } from "../cgroup/create.ts";
import type { CgroupPlan, Group } from "../cgroup/group.ts";
import { encodeJson } from "../frames.ts";
import type { Context } from "../setup/context.ts";
import { StepError, step } from "../setup/step.ts";
import { close, O_DIRECTORY, O_PATH, open, write } from "../sys/descriptors.ts";
import { exitNow, setsid, setUndumpable } from "../sys/process.ts";
import { openSignalFd } from "../sys/signals.ts";
import { MessageType, type SetupFailure, type StartMessage } from "../zygote/protocol.ts";
import type { UserNamespace } from "../zygote/user-namespaces.ts";
import { ControlSocket } from "./control.ts";
import { Input } from "./input.ts";
import { type End, exitRecord } from "./outcome.ts";
import { outputsOf } from "./outputs.ts";
import { prepareRecord, writeRecord } from "./record.ts";
import { endEverybody, type Parts, Supervisor } from "./supervisor.ts";

export interface InitContext {
  readonly start: StartMessage;
  readonly cgroup: CgroupPlan;
  readonly stage: string;
  /** The socket to the server that started the job; when that server is gone, what is told there goes nowhere. */
  readonly server: number;
  readonly userNamespace: UserNamespace;
}

/** Never returns. */
export function runInit(context: InitContext): never {
  const { start } = context;
  const initPid = Number(readlinkSync("/proc/self"));
  try {
    process.title = "init";
    setUndumpable();
    setsid();
    const record = step("record", () => prepareRecord(start.folder));
    const end = supervise(context, initPid);
    writeRecord(record, exitRecord(start.spec, end));
    if (end.failure !== null) tell(context, MessageType.failed, end.failure);
    tell(context, MessageType.ended, {});
  } catch (error) {
    tell(context, MessageType.failed, failureOf(error));
    exitNow(1);
  }
  exitNow(0);
}

/** From nothing to nothing: when it returns, no process and no group of the job is left. Whatever fails is in the End. */
function supervise(context: InitContext, initPid: number): End {
  const { start } = context;
  let group: Group | null = null;
  let supervisor: Supervisor | null = null;
  try {
    const request = { name: start.job, limits: start.spec.limits, disks: start.disks };
    const made = step("cgroup", () => createGroup(context.cgroup, request));
    group = made;
    const parts = step("init", () => acquire(context, initPid, made));
    supervisor = new Supervisor(parts, commandContext(context, parts));
    const end = supervisor.run();
    unlinkSync(`${start.folder}/control`);
    return end;
  } catch (error) {
    if (group !== null) endEverybody(group);
    return failedEnd(failureOf(error), supervisor?.startedAtMs ?? 0);
  } finally {
    if (group !== null) removeGroup(group);
  }
}

function acquire(context: InitContext, initPid: number, group: Group): Parts {
  const { start, server } = context;
  const folder = open(start.folder, O_PATH | O_DIRECTORY);
  const control = new ControlSocket(folder);
  close(folder);
  return {
    spec: start.spec,
    group,
    control,
    input: start.spec.stdin === "stream" ? new Input() : null,
    outputs: outputsOf(start.folder, start.spec.output),
    signals: openSignalFd(),
    owner: start.bound ? server : -1,
    onExec: (pid, startedAtMs) => {
      writeFileSync(`${start.folder}/pid`, `${pid}\n`, { mode: 0o600 });
      tell(context, MessageType.started, { pid, initPid, startedAtMs });
    },
  };
}

function commandContext({ start, stage, userNamespace }: InitContext, parts: Parts): Context {
  const [stdout, stderr] = parts.outputs.streams;
  return {
    spec: start.spec,
    group: parts.group,
    userNamespace: userNamespace.fd,
    idBase: userNamespace.idBase,
    stage,
    stdio: { in: parts.input?.readEnd ?? null, out: stdout.writeEnd, err: stderr.writeEnd },
  };
}

function removeGroup(group: Group): void {
  try {
    group.remove();
  } catch (error) {
    complain(`${(error as Error).message}; the next start of podium removes it`);
  }
}

function failureOf(error: unknown): SetupFailure {
  if (error instanceof StepError) return error.failure;
  complain(String((error as Error).stack)); // a mistake of podium's own
  return { step: "init", errno: "", message: `init: ${(error as Error).message}` };
}

function failedEnd(failure: SetupFailure, startedAtMs: number): End {
  const usage = { cpuSeconds: 0, memoryBytes: 0, memoryPeakBytes: 0, pids: 0 };
  const unseen = {
    status: null,
    oomKills: 0,
    forbiddenCall: "",
    outputFailure: "",
    startedAtMs,
    finishedAtMs: Date.now(),
    usage,
  };
  if (startedAtMs === 0) return { ...unseen, failure, ending: null };
  return { ...unseen, failure: null, ending: { cause: "LOST", reason: failure.message } };
}

/** To the server's log, while somebody reads it: init may outlive the server by days. */
function complain(text: string): void {
  try {
    writeSync(2, `podium: init: ${text}\n`);
  } catch {
    // nobody reads any more, and there is nowhere else to say it
  }
}

/** One frame in one write: frames of the zygote and of other inits on the same socket are never torn. */
function tell({ server, start }: InitContext, type: number, body: object): void {
  write(server, encodeJson(type, { job: start.job, ...body }));
}
