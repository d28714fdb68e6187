// pid 1 of one job: a forked copy of the zygote, host root, in the host's mount namespace, without an event loop.
// It moves the command's output into the job folder, feeds its stdin, passes signals on, keeps the deadline, reaps, and
// writes down how the job ended. It looks up no name, loads no library and walks no path of the job's root.
import { writeSync } from "node:fs";
import { createGroup } from "../cgroup/create.ts";
import type { CgroupPlan, Group } from "../cgroup/group.ts";
import { encodeJson } from "../frames.ts";
import type { Ground } from "../setup/context.ts";
import { ownOomScore, type Rooms, setOomScore } from "../setup/namespaces.ts";
import { isPlain, type NetworkKind, networkKind } from "../setup/plain.ts";
import { StepError, step } from "../setup/step.ts";
import { becomeCommand, enterRooms, makeRooms, separate } from "../setup/steps.ts";
import { close, write } from "../sys/descriptors.ts";
import { readLink, writeSmall } from "../sys/files.ts";
import { setsid, setUndumpable, waitFor } from "../sys/process.ts";
import { openSignalFd } from "../sys/signals.ts";
import { spawnWithFiles } from "../sys/vfork.ts";
import { MessageType, type SetupFailure, type StartMessage } from "../zygote/protocol.ts";
import type { UserNamespace } from "../zygote/user-namespaces.ts";
import { Command } from "./command.ts";
import { ControlSocket } from "./control.ts";
import { appear, writeNew } from "./new-file.ts";
import { type End, exitRecord } from "./outcome.ts";
import { outputsOf } from "./outputs.ts";
import { processLines } from "./processes.ts";
import { makeWay, noLimits, type Slot, takePlace, type Waiting, waitForRequest } from "./ready.ts";
import { type PreparedRecord, prepareRecord, writeRecord } from "./record.ts";
import { Pipes } from "./streams.ts";
import { endEverybody, type Parts, Supervisor } from "./supervisor.ts";

export interface InitContext {
  readonly cgroup: CgroupPlan;
  readonly stage: string;
  /** The socket to the server that started the job; when that server is gone, what is told there goes nowhere. */
  readonly server: number;
  readonly userNamespace: UserNamespace;
}

/** What is there of a job from the beginning. */
interface Place extends InitContext {
  readonly initPid: number;
  /** Name of the control group. */
  readonly groupName: string;
  readonly pipes: Pipes;
  readonly signals: number;
  readonly oomScore: string;
}

/** And what comes to be, in this order or, in a ready-made job, with the group first. */
class Job {
  readonly place: Place;
  start: StartMessage | null = null;
  record: PreparedRecord | null = null;
  group: Group | null = null;
  parts: Omit<Parts, "command"> | null = null;
  command: Command | null = null;
  rooms: Rooms = [];
  /** Of a ready-made job. */
  ahead: ControlSocket | null = null;

  constructor(context: InitContext, groupName: string) {
    setUndumpable();
    setsid();
    const initPid = Number(readLink("/proc/self"));
    const [pipes, signals, oomScore] = [new Pipes(), openSignalFd(), ownOomScore()];
    this.place = { ...context, initPid, groupName, pipes, signals, oomScore };
  }

  makeGroup(): Group {
    const { cgroup, groupName: name } = this.place;
    this.group ??= step("cgroup", () => createGroup(cgroup, { name, limits: noLimits, disks: [] }));
    return this.group;
  }

  /** Everything that must be there before the program runs: a place for its outcome, its limits, its log files. */
  begin(start: StartMessage): void {
    this.start = start;
    this.record = step("record", () => prepareRecord(start.folder));
    const group = this.makeGroup();
    step("cgroup", () => group.limit(start.spec.limits, start.disks));
    this.parts = step("init", () => this.#acquire(start, group));
  }

  /** For a server that comes later: the group of a ready-made job is not named after the job. */
  writeWho(processes: string): void {
    const { start, place } = this;
    if (start === null || (start.bound && place.groupName === start.job)) return;
    writeNew(`${start.folder}/group`, `${place.groupName}\n${processes}`);
  }

  get ground(): Ground {
    const { userNamespace, stage, pipes } = this.place;
    const { fd, idBase } = userNamespace;
    return { group: this.makeGroup(), userNamespace: fd, idBase, stage, stdio: pipes.stdio };
  }

  #acquire({ spec, folder, bound }: StartMessage, group: Group): Omit<Parts, "command"> {
    const { pipes, signals, server } = this.place;
    const { input, sources, terminal } = pipes.streams(spec);
    const control = ControlSocket.place(folder, this.ahead);
    const outputs = outputsOf(folder, spec.output, sources);
    const owner = bound ? server : -1;
    const onExec = (pid: number, startedAtMs: number) => this.#tellStarted(pid, startedAtMs);
    return { spec, group, control, input, outputs, terminal, signals, owner, onExec };
  }

  #tellStarted(pid: number, startedAtMs: number): void {
    const { initPid, groupName: group } = this.place;
    if (this.start === null) return;
    if (!isPlain(this.start.spec)) this.writeWho(processLines(initPid, pid));
    appear(`${this.start.folder}/pid`, `${pid}\n`);
    tell(this, MessageType.started, { pid, initPid, startedAtMs, group });
  }
}

/** The init of one request. Returns its exit code. */
export function runInit(context: InitContext, start: StartMessage): number {
  const job = new Job(context, start.job);
  try {
    job.begin(start);
    if (isPlain(start.spec)) shareMemory(job, networkKind(start.spec));
    else forkCommand(job, start);
  } catch (error) {
    return conclude(job, error);
  }
  return conclude(job);
}

/** The init of a job that is made ready before its request comes. Returns its exit code. */
export function runReadyInit(context: InitContext, slot: Slot): number {
  const usualPriority = makeWay();
  const job = new Job(context, slot.name);
  job.ahead = ControlSocket.ahead(context.stage, slot.name);
  try {
    shareMemory(job, slot.network, { socket: slot.socket, usualPriority });
  } catch (error) {
    if (job.start === null) complain(`a job could not be made ready: ${(error as Error).message}`);
    return conclude(job, error);
  }
  return conclude(job);
}

function forkCommand(job: Job, start: StartMessage): void {
  const { ground } = job;
  job.command = Command.fork((status) => becomeCommand(ground, start.spec, status));
}

/**
 * A plain job, whose command is made by two children in this process's memory: the first makes its namespaces and root, the
 * second hears the request where it has not come yet, does what init has to do for it, and becomes the command.
 */
function shareMemory(job: Job, network: NetworkKind, waiting: Waiting | null = null): void {
  const { ground } = job;
  const rooms = inChild(() => makeRooms(ground, network));
  reuseFirstPid();
  job.command = Command.share(
    () => begun(job, waiting),
    (status) => (job.start === null ? null : enterRooms(ground, job.start.spec, rooms, status)),
  );
  if (job.place.oomScore !== "0") setOomScore(job.place.oomScore); // the command, while it shared this memory, has set it for both
  job.rooms = rooms;
}

/** What the second child does with init's rights and descriptors. */
function begun(job: Job, waiting: Waiting | null): boolean {
  step("cgroup", () => job.makeGroup().enter());
  separate();
  const processes = processLines(job.place.initPid, "self");
  if (waiting !== null) {
    takePlace(waiting.usualPriority);
    const start = waitForRequest(waiting.socket, job.place.initPid);
    if (start === null) return false;
    job.begin(start);
  }
  step("record", () => job.writeWho(processes));
  return true;
}

/** The child that made the rooms was 2, and the command is to be. Where a kernel has no CHECKPOINT_RESTORE, it is 3. */
function reuseFirstPid(): void {
  try {
    writeSmall("/proc/sys/kernel/ns_last_pid", "1"); // of this process's pid namespace, pid_namespaces(7)
  } catch {
    // no number matters to podium
  }
}

function inChild(make: () => Rooms): Rooms {
  let made: Rooms | null = null;
  const { pid } = spawnWithFiles(() => {
    made = make();
    return null;
  });
  waitFor(pid);
  if (made === null) throw new Error("the process that sets up the job died");
  return made;
}

/** What was there for the command's process. */
function closeCommandEnds({ place, rooms }: Job): void {
  for (const { fd } of rooms) close(fd);
  place.pipes.closeCommandEnds();
  close(place.userNamespace.fd);
}

/** From the command's start, or from what kept it from starting, to the moment when nothing of the job is left. Returns the exit code. */
function conclude(job: Job, error?: unknown): number {
  let code = 1;
  try {
    code = settle(job, error);
  } catch (failed) {
    tell(job, MessageType.failed, failureOf(failed));
  }
  if (job.group !== null) removeGroup(job.group);
  return code;
}

function settle(job: Job, error: unknown): number {
  const { start, record, group } = job;
  if (start === null || record === null) {
    if (group !== null) endEverybody(group);
    if (start === null) {
      job.ahead?.discard();
      return 1; // there never was a request
    }
    throw error;
  }
  const end = supervise(job, error);
  writeRecord(record, exitRecord(start.spec, end));
  if (end.failure !== null) tell(job, MessageType.failed, end.failure);
  tell(job, MessageType.ended, {});
  return 0;
}

/** When it returns, no process of the job is left. Whatever fails is in the End. */
function supervise(job: Job, error: unknown): End {
  const { group, parts, command } = job;
  let supervisor: Supervisor | null = null;
  try {
    if (error !== undefined || parts === null || command === null) throw error;
    command.callNames = parts.spec.callNames;
    command.terminal = parts.terminal;
    parts.control.claim();
    supervisor = new Supervisor({ ...parts, command });
    command.finish();
    supervisor.noticeExec(); // somebody waits for it
    closeCommandEnds(job);
    const end = supervisor.run();
    parts.control.discard();
    return end;
  } catch (failed) {
    if (group !== null) endEverybody(group);
    return failedEnd(failureOf(failed), supervisor?.startedAtMs ?? 0);
  }
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
function tell({ place, start }: Job, type: number, body: object): void {
  write(place.server, encodeJson(type, { job: start?.job, ...body }));
}
