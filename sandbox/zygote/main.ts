// The zygote: a Node process without an event loop that has loaded the sandbox code once. It receives a request, forks an
// init for it, and reaps. Runs as `node --single-threaded --v8-pool-size=0 zygote.cjs`, descriptor 3 the server's socket.
// After unshare(CLONE_NEWPID) a process can make no thread any more: nothing asynchronous is ever called here.
import { mkdirSync, openSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { dirname } from "node:path";
import { enterSupervisors } from "../cgroup/placement.ts";
import { encodeJson, type Frame, FrameReader } from "../frames.ts";
import { type InitContext, runInit, runReadyInit } from "../init/main.ts";
import { keepUsualFilter } from "../setup/filters.ts";
import type { NetworkKind } from "../setup/plain.ts";
import { Children } from "../sys/children.ts";
import { read, write } from "../sys/descriptors.ts";
import { SyscallError } from "../sys/errors.ts";
import { detachMount, makeTreeSlave } from "../sys/mounts.ts";
import { CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, setns, unshare } from "../sys/namespaces.ts";
import { POLLIN, PollSet } from "../sys/poll.ts";
import { exitNow, fork, kill, setUndumpable, waitFor } from "../sys/process.ts";
import { blockAllSignals } from "../sys/signals.ts";
import { postFirstTask } from "../sys/v8-tasks.ts";
import { readBody } from "./messages.ts";
import { type ConfigureMessage, MessageType, type StartMessage } from "./protocol.ts";
import { ReadyJobs } from "./ready-jobs.ts";
import { rehearsals, rehearse } from "./rehearsal.ts";
import { forkSelfTest } from "./self-test.ts";
import { closeUserNamespace, makeJobNamespace, type UserNamespace } from "./user-namespaces.ts";

const server = 3;
/** User namespaces kept ready: making one costs about as much as all the rest of a start. */
const readyNamespaces = 8;

/** A job whose init is followed. */
interface Followed {
  readonly job: string;
  readonly group: string;
}

class Zygote {
  readonly #frames = new FrameReader();
  readonly #chunk = Buffer.allocUnsafe(64 << 10);
  readonly #children = new Children();
  readonly #jobs = new Map<number, Followed>();
  readonly #namespaces: UserNamespace[] = [];
  readonly #ownPidNamespace = openSync("/proc/self/ns/pid", "r");
  #configuration: ConfigureMessage | null = null;
  #readyJobs: ReadyJobs | null = null;
  #pooling = false;
  #rehearsalsLeft = 0;

  serve(): never {
    const set = new PollSet();
    for (;;) {
      set.clear();
      const request = set.add(server, POLLIN);
      const children = set.add(this.#children.fd, POLLIN);
      this.#readyJobs?.watch(set);
      set.wait(this.#idleMs());
      if (set.ready(children) !== 0) this.#reap();
      this.#readyJobs?.advance(set);
      if (set.ready(request) !== 0) this.#receive();
      else if (this.#configuration !== null) this.#getReady(this.#configuration);
    }
  }

  #idleMs(): number {
    if (this.#wantsNamespace() || this.#rehearsalsLeft > 0 || this.#wantedKind() !== null) return 0;
    return this.#readyJobs?.untilWantedMs() ?? -1;
  }

  #wantsNamespace(): boolean {
    return this.#pooling && this.#namespaces.length < readyNamespaces;
  }

  #wantedKind(): NetworkKind | null {
    return this.#readyJobs?.wanted() ?? null;
  }

  /** One piece of work for the jobs to come, while nobody waits. */
  #getReady(configuration: ConfigureMessage): void {
    const kind = this.#wantedKind();
    if (this.#wantsNamespace()) this.#makeNamespace(configuration);
    else if (this.#rehearsalsLeft > 0) this.#rehearsalsLeft = rehearse(configuration) ? this.#rehearsalsLeft - 1 : 0;
    else if (kind !== null) this.#makeJob(configuration, kind);
    else this.#readyJobs?.trim();
  }

  #makeJob(configuration: ConfigureMessage, kind: NetworkKind): void {
    this.#readyJobs?.make(kind, (slot, leave) => {
      const pid = this.#forkInit(configuration, (context) => {
        leave();
        return runReadyInit(context, slot);
      });
      this.#watch(pid);
      return pid;
    });
  }

  #receive(): void {
    const n = read(server, this.#chunk);
    if (n === 0) this.#end();
    if (n === null) return;
    this.#frames.push(Buffer.from(this.#chunk.subarray(0, n)));
    for (let frame = this.#frames.next(); frame !== null; frame = this.#frames.next()) this.#obey(frame);
  }

  #obey(frame: Frame): void {
    const body = readBody(frame);
    if (body === null) return;
    if (frame.type === MessageType.configure) this.#configure(body);
    else if (frame.type === MessageType.start) this.#start(body, frame.payload);
    else throw new Error(`unknown frame ${frame.type}`);
  }

  /**
   * A mount namespace that follows the host's mounts and never feeds back, and an empty network namespace: what init's
   * /proc/1 tells of either tells nothing.
   */
  #configure(message: ConfigureMessage): void {
    enterSupervisors(message.cgroup);
    unshare(CLONE_NEWNS | CLONE_NEWNET);
    makeTreeSlave();
    leaveNamespaceFolder();
    mkdirSync(dirname(message.idLocks), { recursive: true, mode: 0o700 });
    keepUsualFilter(message.usualFilter);
    this.#configuration = message;
    this.#pooling = true;
    this.#rehearsalsLeft = message.rehearse ? rehearsals : 0;
    if ((message.readyJobs ?? 0) > 0) this.#readyJobs = readyJobs(message);
    const reason = forkSelfTest();
    if (reason === null) tell(MessageType.ready, { pid: process.pid, sound: this.#isSound(message) });
    else tell(MessageType.unfit, { reason });
  }

  /** The first rehearsal and the first user namespace come before anybody relies on this zygote. */
  #isSound(message: ConfigureMessage): boolean {
    if (message.rehearse !== true) return true;
    this.#makeNamespace(message);
    return rehearse(message) && this.#pooling;
  }

  #start(start: StartMessage, request: Buffer): void {
    const configuration = this.#configuration;
    if (configuration === null) throw new Error("start before configure");
    const ready = this.#readyJobs?.take(start, request) ?? null;
    if (ready !== null) {
      this.#jobs.set(ready.pid, { job: start.job, group: ready.name });
      return;
    }
    this.#startFresh(configuration, start);
  }

  #startFresh(configuration: ConfigureMessage, start: StartMessage): void {
    try {
      const pid = this.#forkInit(configuration, (context) => runInit(context, start));
      this.#watch(pid);
      this.#jobs.set(pid, { job: start.job, group: start.job });
    } catch (error) {
      tell(MessageType.failed, {
        job: start.job,
        step: "user-namespace",
        errno: "",
        message: (error as Error).message,
      });
      tell(MessageType.gone, { job: start.job, group: start.job });
    }
  }

  /** An init that could not be followed to its end (no descriptor left) must not live: its start is told as failed. */
  #watch(pid: number): void {
    try {
      this.#children.add(pid);
    } catch (error) {
      kill(pid, constants.signals.SIGKILL);
      waitFor(pid);
      throw error;
    }
  }

  #forkInit({ cgroup, stage, idLocks, ids }: ConfigureMessage, become: (context: InitContext) => number): number {
    const userNamespace = this.#namespaces.shift() ?? makeJobNamespace(idLocks, ids);
    try {
      unshare(CLONE_NEWPID); // the next child is pid 1 of a new pid namespace
      const pid = fork();
      if (pid > 0) return pid;
      for (const other of this.#namespaces) closeUserNamespace(other);
      this.#readyJobs?.leaveToParent();
      process.title = "init";
      return exitNow(become({ cgroup, stage, server, userNamespace }));
    } finally {
      setns(this.#ownPidNamespace, CLONE_NEWPID); // unshare works only from the namespace one lives in
      closeUserNamespace(userNamespace);
    }
  }

  /** A host that refuses user namespaces refuses them at Start, with the reason; not here, where nobody asked. */
  #makeNamespace(configuration: ConfigureMessage): void {
    try {
      this.#namespaces.push(makeJobNamespace(configuration.idLocks, configuration.ids));
    } catch {
      this.#pooling = false;
    }
  }

  #reap(): void {
    for (const pid of this.#children.ended()) {
      waitFor(pid);
      this.#pooling = true; // its id range is free again
      if (this.#readyJobs?.forget(pid) !== true) this.#conclude(pid);
    }
  }

  #conclude(pid: number): void {
    const followed = this.#jobs.get(pid);
    this.#jobs.delete(pid);
    const untaken = this.#readyJobs?.untaken(pid) ?? null;
    if (untaken !== null && this.#configuration !== null) this.#startFresh(this.#configuration, untaken);
    else if (followed !== undefined) tell(MessageType.gone, followed);
  }

  #end(): never {
    this.#readyJobs?.end();
    return exitNow(0);
  }
}

/** The thousands of mounts that may come below would make each job's mount namespace slow; jobs get there through the server. */
function leaveNamespaceFolder(): void {
  try {
    detachMount("/run/netns");
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error; // it is no mount point: no job has a network of its own
  }
}

/** null: jobs are made when they are asked for, which takes longer. */
function readyJobs(message: ConfigureMessage): ReadyJobs | null {
  try {
    return new ReadyJobs(message);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const mend = "sysctl fs.inotify.max_user_instances, or the limit of open files, is too low";
    writeSync(2, `podium: zygote: no jobs are made ready before they are asked for: ${error.message}; ${mend}\n`);
    return null;
  }
}

function tell(type: number, body: unknown): void {
  write(server, encodeJson(type, body));
}

function main(): never {
  try {
    process.title = "podium zygote";
    postFirstTask();
    setUndumpable();
    blockAllSignals();
    return new Zygote().serve();
  } catch (error) {
    writeSync(2, `podium: zygote: ${(error as Error).stack}\n`); // by number: /dev/stderr cannot be opened when it is a socket
    return exitNow(1);
  }
}

main();
