// The zygote: a Node process without an event loop that has loaded the sandbox code once. It receives a request, forks an
// init for it, and reaps. Runs as `node --single-threaded --v8-pool-size=0 zygote.cjs`, descriptor 3 the server's socket.
// After unshare(CLONE_NEWPID) a process can make no thread any more: nothing asynchronous is ever called here.
import { mkdirSync, openSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { dirname } from "node:path";
import { enterSupervisors } from "../cgroup/placement.ts";
import { encodeJson, type Frame, FrameReader } from "../frames.ts";
import { runInit } from "../init/main.ts";
import { Children } from "../sys/children.ts";
import { read, write } from "../sys/descriptors.ts";
import { SyscallError } from "../sys/errors.ts";
import { detachMount, makeTreeSlave } from "../sys/mounts.ts";
import { CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, setns, unshare } from "../sys/namespaces.ts";
import { POLLIN, PollSet } from "../sys/poll.ts";
import { exitNow, fork, kill, setUndumpable, waitFor } from "../sys/process.ts";
import { blockAllSignals } from "../sys/signals.ts";
import { readBody } from "./messages.ts";
import { type ConfigureMessage, MessageType, type StartMessage } from "./protocol.ts";
import { rehearsals, rehearse } from "./rehearsal.ts";
import { forkSelfTest } from "./self-test.ts";
import { closeUserNamespace, makeJobNamespace, type UserNamespace } from "./user-namespaces.ts";

const server = 3;
/** User namespaces kept ready: making one costs about as much as all the rest of a start. */
const readyNamespaces = 8;

class Zygote {
  readonly #frames = new FrameReader();
  readonly #chunk = Buffer.allocUnsafe(64 << 10);
  readonly #children = new Children();
  readonly #jobs = new Map<number, string>();
  readonly #ready: UserNamespace[] = [];
  readonly #ownPidNamespace = openSync("/proc/self/ns/pid", "r");
  #configuration: ConfigureMessage | null = null;
  #pooling = false;
  #rehearsalsLeft = 0;

  serve(): never {
    const set = new PollSet();
    for (;;) {
      set.clear();
      const request = set.add(server, POLLIN);
      const children = set.add(this.#children.fd, POLLIN);
      set.wait(this.#wantsNamespace() || this.#rehearsalsLeft > 0 ? 0 : -1);
      if (set.ready(request) !== 0) this.#receive();
      else if (this.#configuration !== null) this.#getReady(this.#configuration);
      if (set.ready(children) !== 0) this.#reap();
    }
  }

  #wantsNamespace(): boolean {
    return this.#pooling && this.#ready.length < readyNamespaces;
  }

  /** One piece of work for the jobs to come, while nobody waits. */
  #getReady(configuration: ConfigureMessage): void {
    if (this.#wantsNamespace()) this.#makeNamespace(configuration);
    else if (this.#rehearsalsLeft > 0) this.#rehearsalsLeft = rehearse(configuration) ? this.#rehearsalsLeft - 1 : 0;
  }

  #receive(): void {
    const n = read(server, this.#chunk);
    if (n === 0) exitNow(0);
    if (n === null) return;
    this.#frames.push(Buffer.from(this.#chunk.subarray(0, n)));
    for (let frame = this.#frames.next(); frame !== null; frame = this.#frames.next()) this.#obey(frame);
  }

  #obey(frame: Frame): void {
    const body = readBody(frame);
    if (body === null) return;
    if (frame.type === MessageType.configure) this.#configure(body);
    else if (frame.type === MessageType.start) this.#start(body);
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
    this.#configuration = message;
    this.#pooling = true;
    this.#rehearsalsLeft = message.rehearse ? rehearsals : 0;
    const reason = forkSelfTest();
    if (reason === null) tell(MessageType.ready, { pid: process.pid });
    else tell(MessageType.unfit, { reason });
  }

  #start(start: StartMessage): void {
    const configuration = this.#configuration;
    if (configuration === null) throw new Error("start before configure");
    try {
      const userNamespace = this.#ready.shift() ?? makeJobNamespace(configuration.idLocks, configuration.ids);
      this.#forkInit(configuration, start, userNamespace);
    } catch (error) {
      tell(MessageType.failed, {
        job: start.job,
        step: "user-namespace",
        errno: "",
        message: (error as Error).message,
      });
      tell(MessageType.gone, { job: start.job });
    }
  }

  /** An init that could not be followed to its end (no descriptor left) must not live: its start is told as failed. */
  #follow(pid: number, job: string): void {
    try {
      this.#children.add(pid);
      this.#jobs.set(pid, job);
    } catch (error) {
      kill(pid, constants.signals.SIGKILL);
      waitFor(pid);
      throw error;
    }
  }

  #forkInit({ cgroup, stage }: ConfigureMessage, start: StartMessage, userNamespace: UserNamespace): void {
    try {
      unshare(CLONE_NEWPID); // the next child is pid 1 of a new pid namespace
      const pid = fork();
      if (pid === 0) {
        for (const other of this.#ready) closeUserNamespace(other);
        runInit({ start, cgroup, stage, server, userNamespace });
      }
      this.#follow(pid, start.job);
    } finally {
      setns(this.#ownPidNamespace, CLONE_NEWPID); // unshare works only from the namespace one lives in
      closeUserNamespace(userNamespace);
    }
  }

  /** A host that refuses user namespaces refuses them at Start, with the reason; not here, where nobody asked. */
  #makeNamespace(configuration: ConfigureMessage): void {
    try {
      this.#ready.push(makeJobNamespace(configuration.idLocks, configuration.ids));
    } catch {
      this.#pooling = false;
    }
  }

  #reap(): void {
    for (const pid of this.#children.ended()) {
      waitFor(pid);
      this.#pooling = true; // its id range is free again
      const job = this.#jobs.get(pid);
      this.#jobs.delete(pid);
      if (job !== undefined) tell(MessageType.gone, { job });
    }
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

function tell(type: number, body: unknown): void {
  write(server, encodeJson(type, body));
}

function main(): never {
  try {
    process.title = "podium zygote";
    setUndumpable();
    blockAllSignals();
    return new Zygote().serve();
  } catch (error) {
    writeSync(2, `podium: zygote: ${(error as Error).stack}\n`); // by number: /dev/stderr cannot be opened when it is a socket
    return exitNow(1);
  }
}

main();
