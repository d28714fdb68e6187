// The server's side of the zygote: starts the process, sends requests, and turns its frames into promises and events.
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { existsSync } from "node:fs";
import type { Socket } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeJson, type Frame, FrameReader } from "../frames.ts";
import { childrenOf, HaltWatches } from "../halted.ts";
import type { SandboxSpec } from "../spec.ts";
import {
  type ConfigureMessage,
  type EndedMessage,
  type FailedMessage,
  type GoneMessage,
  MessageType,
  type ReadyMessage,
  type SetupFailure,
  type StartedMessage,
  type StartMessage,
  type UnfitMessage,
  usualFilter,
} from "./protocol.ts";

/** The command could not be started; the exit record in the job folder, when init could write it, says the same. */
export class StartFailedError extends Error {
  override readonly name = "StartFailedError";
  readonly failure: SetupFailure;

  constructor(failure: SetupFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

const zygoteDied: SetupFailure = { step: "zygote", errno: "", message: "zygote: the process that starts jobs died" };
const lookMs = 1_000;
/** Seen stopped so many times in a row while a start waits for it, a process is ended: nobody may ever let it go. */
const haltedLooks = 5;
const zygoteHalted: SetupFailure = {
  ...zygoteDied,
  message: `zygote: the process that starts jobs was stopped on the host (SIGSTOP, or a debugger) for ${haltedLooks} s, and was replaced: start the job again`,
};

interface Waiting {
  readonly resolve: (started: StartedMessage) => void;
  readonly reject: (error: Error) => void;
}

/** Shared by all servers and sandboxes of a host: which id ranges are in use (user-namespaces.ts). */
export const idLocks = "/run/podium/ids";

/**
 * V8 and libuv must make no threads (DESIGN: fork copies only the calling one). The rest makes forks cheap, since each child
 * starts with what the zygote has done (docs/performance.md): compile everything at once and keep it; note types and shapes
 * from the first call on; make no machine code, which no child lives long enough to gain from.
 */
export const nodeFlags = [
  "--single-threaded",
  "--v8-pool-size=0",
  "--no-lazy",
  "--no-flush-bytecode",
  "--no-opt",
  "--no-lazy-feedback-allocation",
  "--no-sparkplug",
];
/**
 * Node's own program text on huge pages: 25 ms once, and a child need not take a page fault for each piece of it. V8 then
 * needs no copy of its built-in functions, 1.6 MB that each fork and each exec would handle page by page.
 */
const flagsForManyJobs = ["--use-largepages=silent", "--no-short-builtin-calls"];

/** `dist/NAME`, beside the program that runs or above a compiled module of the checkout. */
export function bundledProgram(name: string): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    for (const candidate of [join(folder, name), join(folder, "dist", name)]) {
      if (existsSync(candidate)) return candidate;
    }
    if (folder === "/") throw new Error(`${name} is missing beside the program; build it with \`npm run build\``);
  }
}

/**
 * Emits `ended` with the job's name when its outcome is written, `gone` with that and the name of its control group when
 * its init has been reaped too (without `ended` before it when init was killed), and `exit` when the zygote itself is no more.
 */
export class ZygoteClient extends EventEmitter<{ ended: [string]; gone: [string, group: string]; exit: [] }> {
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #frames = new FrameReader();
  readonly #waiting = new Map<string, Waiting>();
  readonly #usualFilter: string | undefined;
  #unfit: string | null = null;
  #ready: ReadyMessage | null = null;
  #ended = false;
  #looking: NodeJS.Timeout | null = null;
  readonly #halts = new HaltWatches();
  /** Inits of jobs that have started, by job. */
  readonly #inits = new Map<string, number>();
  #died = zygoteDied;

  private constructor(child: ChildProcess, usual: string | undefined) {
    super();
    this.#usualFilter = usual;
    this.setMaxListeners(0);
    this.#child = child;
    this.#socket = child.stdio[3] as Socket;
    this.#socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on("error", () => {}); // "exit" says all there is to say
    child.once("exit", () => this.#end());
    child.once("error", () => this.#end());
  }

  /** Starts a zygote and waits until it has tested itself. Throws with the reason when this host cannot have one. */
  static async spawn(configuration: ConfigureMessage): Promise<ZygoteClient> {
    const flags = configuration.rehearse ? [...nodeFlags, ...flagsForManyJobs] : nodeFlags;
    const child = spawn(process.execPath, [...flags, bundledProgram("zygote.cjs")], {
      cwd: "/",
      detached: true, // a Ctrl-C on the server's terminal is not for the jobs
      // LD_BIND_NOW: symbols are resolved here, once, and not at first use in each child (ld.so(8)).
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LD_BIND_NOW: "1" },
      stdio: ["ignore", "ignore", "inherit", "pipe"],
    });
    const client = new ZygoteClient(child, configuration.usualFilter);
    client.#socket.write(encodeJson(MessageType.configure, configuration));
    await client.#becomeReady();
    return client;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** False: a job's set-up fails here, and the kernel is to be asked why (sandbox/requirements). */
  get isSound(): boolean {
    return this.#ready?.sound === true;
  }

  /** Resolves when the command has been exec'd; rejects with StartFailedError when a step failed. */
  start(message: StartMessage): Promise<StartedMessage> {
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(new StartFailedError(zygoteDied));
      const frame = encodeJson(MessageType.start, { ...message, spec: this.#shortened(message.spec) });
      this.#waiting.set(message.job, { resolve, reject });
      this.#socket.write(frame);
      this.#looking ??= setInterval(() => this.#look(), lookMs).unref();
    });
  }

  #shortened(spec: SandboxSpec): SandboxSpec {
    const short = (program: string) => (program === this.#usualFilter ? usualFilter : program);
    return { ...spec, seccomp: spec.seccomp.map(short) };
  }

  /**
   * While a start waits: is the zygote stopped, or an init that has no command yet? One that is slow, or works, is never ended
   * for it. The zygote serves the request of a ready-made init that ends so anew.
   */
  #look(): void {
    if (this.#waiting.size === 0) return this.#lookAway();
    if (this.#halts.of(this.pid).look() >= haltedLooks) {
      this.#died = zygoteHalted;
      this.#child.kill("SIGKILL");
    }
    const started = new Set(this.#inits.values());
    for (const pid of childrenOf(this.pid)) {
      const watch = this.#halts.of(pid);
      if (!started.has(pid) && watch.look() >= haltedLooks) watch.kill();
    }
  }

  #lookAway(): void {
    clearInterval(this.#looking ?? undefined);
    this.#looking = null;
    this.#halts.clear();
  }

  /** Ends the zygote; running jobs that are not bound run on. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#socket.end();
    this.#socket.destroy();
    const looking = setInterval(() => this.#halts.of(this.pid).look() > 0 && this.#child.kill("SIGKILL"), lookMs);
    await exited.finally(() => clearInterval(looking));
  }

  async #becomeReady(): Promise<void> {
    while (this.#ready === null) {
      if (this.#unfit !== null) throw new Error(`this host cannot run podium: ${this.#unfit}`);
      await once(this as EventEmitter, "answer");
    }
  }

  #receive(chunk: Buffer): void {
    this.#frames.push(chunk);
    for (let frame = this.#frames.next(); frame !== null; frame = this.#frames.next()) this.#take(frame);
  }

  #take(frame: Frame): void {
    const body: unknown = JSON.parse(frame.payload.toString());
    switch (frame.type) {
      case MessageType.ready:
        this.#ready = body as ReadyMessage;
        break;
      case MessageType.unfit:
        this.#unfit = (body as UnfitMessage).reason;
        break;
      case MessageType.started:
        this.#started(body as StartedMessage);
        break;
      case MessageType.failed:
        this.#settle((body as FailedMessage).job)?.reject(new StartFailedError(body as FailedMessage));
        break;
      case MessageType.ended:
        this.emit("ended", (body as EndedMessage).job);
        break;
      case MessageType.gone:
        this.#gone(body as GoneMessage);
        break;
    }
    (this as EventEmitter).emit("answer");
  }

  #started(message: StartedMessage): void {
    this.#inits.set(message.job, message.initPid);
    this.#settle(message.job)?.resolve(message);
  }

  #settle(job: string): Waiting | undefined {
    const waiting = this.#waiting.get(job);
    this.#waiting.delete(job);
    return waiting;
  }

  #gone({ job, group }: GoneMessage): void {
    const died = { step: "init", errno: "", message: "init: the job's supervisor died while it set the job up" };
    this.#inits.delete(job);
    this.#settle(job)?.reject(new StartFailedError(died));
    this.emit("gone", job, group);
  }

  #end(): void {
    this.#unfit ??= "its zygote ended at once (see the message above)";
    this.#ended = true;
    this.#lookAway();
    this.#socket.unref(); // inits hold its other end as long as their jobs run: that must not keep this process
    for (const { reject } of this.#waiting.values()) reject(new StartFailedError(this.#died));
    this.#waiting.clear();
    (this as EventEmitter).emit("answer");
    this.emit("exit");
  }
}
