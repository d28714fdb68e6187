// pid 1 of one job: a forked copy of the zygote, host root, in the host's mount namespace, without an event loop.
// It moves the command's output into the job folder, feeds its stdin, passes signals on, keeps the deadline, reaps, and
// writes down how the job ended. It looks up no name, loads no library and walks no path of the job's root.
import { readlinkSync, unlinkSync, writeSync } from "node:fs";
import { createGroup } from "../cgroup/create.ts";
import type { CgroupPlan, Group } from "../cgroup/group.ts";
import { encodeJson } from "../frames.ts";
import { StepError, step } from "../setup/step.ts";
import type { SandboxSpec } from "../spec.ts";
import { close, O_DIRECTORY, O_PATH, open, write } from "../sys/descriptors.ts";
import { isGone } from "../sys/errors.ts";
import { exitNow, setsid, setUndumpable } from "../sys/process.ts";
import { MessageType, type SetupFailure, type StartMessage } from "../zygote/protocol.ts";
import type { UserNamespace } from "../zygote/user-namespaces.ts";
import { ControlSocket } from "./control.ts";
import { appear, writeNew } from "./new-file.ts";
import { type End, exitRecord } from "./outcome.ts";
import { outputsOf } from "./outputs.ts";
import { type PreparedJob, prepareJob } from "./prepared.ts";
import { processLines } from "./processes.ts";
import { noLimits, type ReadyJob, type Slot, waitReady } from "./ready.ts";
import { type PreparedRecord, prepareRecord, writeRecord } from "./record.ts";
import { PipeSource } from "./source.ts";
import { endEverybody, type Parts, Supervisor } from "./supervisor.ts";
import { Terminal } from "./terminal.ts";

export interface InitContext {
  readonly cgroup: CgroupPlan;
  readonly stage: string;
  /** The socket to the server that started the job; when that server is gone, what is told there goes nowhere. */
  readonly server: number;
  readonly userNamespace: UserNamespace;
}

/** One job, what it runs in, and how its parts come to be: now, or ready-made. */
interface Task extends InitContext {
  readonly start: StartMessage;
  readonly initPid: number;
  /** Name of the control group. */
  readonly groupName: string;
}

/** The init of one request. Never returns. */
export function runInit(context: InitContext, start: StartMessage): never {
  return serve({ ...context, start, initPid: becomeInit(), groupName: start.job }, null);
}

/** The init of a job that is made ready before its request comes. Never returns. */
export function runReadyInit(context: InitContext, slot: Slot): never {
  const initPid = becomeInit();
  let group: Group | null = null;
  try {
    group = createGroup(context.cgroup, { name: slot.name, limits: noLimits, disks: [] });
    const ready = waitReady({ ...context, initPid }, group, slot);
    if (ready !== null) serve({ ...context, start: ready.start, initPid, groupName: slot.name }, ready);
  } catch (error) {
    complain(`a job could not be made ready: ${(error as Error).message}`);
  }
  if (group !== null) discard(group);
  exitNow(1);
}

/** Returns its pid as the host sees it. */
function becomeInit(): number {
  process.title = "init";
  setUndumpable();
  setsid();
  return Number(readlinkSync("/proc/self"));
}

function serve(task: Task, ready: ReadyJob | null): never {
  try {
    const record = openRecord(task, ready);
    const end = supervise(task, ready);
    writeRecord(record, exitRecord(task.start.spec, end));
    if (end.failure !== null) tell(task, MessageType.failed, end.failure);
    tell(task, MessageType.ended, {});
  } catch (error) {
    tell(task, MessageType.failed, failureOf(error));
    exitNow(1);
  }
  exitNow(0);
}

function openRecord({ start, groupName }: Task, ready: ReadyJob | null): PreparedRecord {
  try {
    return step("record", () => {
      const record = prepareRecord(start.folder);
      // For a server that comes later: the group of a ready-made job is not named after the job.
      if (ready !== null) writeWho(start.folder, groupName, ready.processes);
      return record;
    });
  } catch (error) {
    if (ready !== null) discard(ready.prepared.group);
    throw error;
  }
}

function writeWho(folder: string, groupName: string, processes: string): void {
  writeNew(`${folder}/group`, `${groupName}\n${processes}`);
}

/** From nothing to nothing: when it returns, no process and no group of the job is left. Whatever fails is in the End. */
function supervise(task: Task, ready: ReadyJob | null): End {
  let group: Group | null = ready?.prepared.group ?? null;
  let supervisor: Supervisor | null = null;
  try {
    const limited = step("cgroup", () => limitedGroup(task, group));
    group = limited;
    const parts = step("init", () => acquire(task, limited, ready));
    supervisor = new Supervisor(parts);
    parts.command.release();
    const end = supervisor.run();
    removeControl(task.start.folder);
    return end;
  } catch (error) {
    if (group !== null) endEverybody(group);
    return failedEnd(failureOf(error), supervisor?.startedAtMs ?? 0);
  } finally {
    if (group !== null) removeGroup(group);
  }
}

/** Whoever has removed it already shall not cost the job its outcome. */
function removeControl(folder: string): void {
  try {
    unlinkSync(`${folder}/control`);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** The limits hold before the job's program runs: its process waits for that. */
function limitedGroup({ start, cgroup, groupName }: Task, made: Group | null): Group {
  const { spec, disks } = start;
  if (made === null) return createGroup(cgroup, { name: groupName, limits: spec.limits, disks });
  made.limit(spec.limits, disks);
  return made;
}

function acquire(task: Task, group: Group, ready: ReadyJob | null): Parts {
  const { start, server, initPid, groupName } = task;
  const { spec } = start;
  const prepared = ready?.prepared ?? prepareJob(task, group, { kind: "known", spec });
  prepared.command.callNames = spec.callNames;
  const streams = streamsOf(spec, prepared);
  const folder = open(start.folder, O_PATH | O_DIRECTORY);
  const control = new ControlSocket(folder);
  close(folder);
  return {
    spec,
    group,
    command: prepared.command,
    control,
    input: streams.input,
    outputs: outputsOf(start.folder, spec.output, streams.sources),
    terminal: streams.terminal,
    signals: prepared.signals,
    owner: start.bound ? server : -1,
    onExec: (pid, startedAtMs) => {
      if (ready === null && !start.bound) writeWho(start.folder, groupName, processLines(pid));
      appear(`${start.folder}/pid`, `${pid}\n`);
      tell(task, MessageType.started, { pid, initPid, startedAtMs, group: groupName });
    },
  };
}

/** The pipes, or a terminal that takes their place; what is written to one is a single stream. */
function streamsOf({ stdin, terminal }: SandboxSpec, { command, input, outputs }: PreparedJob) {
  const typed = stdin === "stream";
  if (!typed || terminal !== null) input.shut();
  const pipes = outputs.map((readEnd) => new PipeSource(readEnd));
  if (terminal === null) return { input: typed ? input : null, sources: pipes, terminal: null };
  for (const pipe of pipes) pipe.close();
  const pty = new Terminal(typed);
  command.terminal = pty;
  return { input: pty.input, sources: [pty], terminal: pty };
}

function discard(group: Group): void {
  endEverybody(group);
  removeGroup(group);
}

/** A further command may be about to enter (sandbox/exec): it finds no group, or dies. */
function removeGroup(group: Group): void {
  try {
    group.remove(() => endEverybody(group));
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
function tell({ server, start }: Task, type: number, body: object): void {
  write(server, encodeJson(type, { job: start.job, ...body }));
}
