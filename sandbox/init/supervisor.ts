// The life of one command: one poll(2) loop from its fork to the moment when nothing of the job is left.
import { constants } from "node:os";
import type { Group } from "../cgroup/group.ts";
import type { Frame } from "../frames.ts";
import type { SandboxSpec } from "../spec.ts";
import { POLLIN, PollSet } from "../sys/poll.ts";
import { kill, reap, waitForAny } from "../sys/process.ts";
import { nextSignal } from "../sys/signals.ts";
import { formatSize } from "../units.ts";
import type { SetupFailure } from "../zygote/protocol.ts";
import type { Command } from "./command.ts";
import type { ControlSocket, Flow } from "./control.ts";
import { Deadlines } from "./deadlines.ts";
import type { Input } from "./input.ts";
import { readResize, readSignal, readStop, readTimeout } from "./messages.ts";
import type { End, Ending } from "./outcome.ts";
import type { Outputs } from "./outputs.ts";
import { ControlType, type StopMessage } from "./protocol.ts";
import type { Terminal } from "./terminal.ts";

const { SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGTERM } = constants.signals;
const everybody = -1;
/** TERM to the command at its deadline, KILL to all after this. */
const timeoutGraceMs = 1000;
/** When somebody on the host signals init itself. */
const hostGraceMs = 10_000;

export interface Parts {
  readonly spec: SandboxSpec;
  readonly group: Group;
  readonly command: Command;
  readonly control: ControlSocket;
  readonly input: Input | null;
  readonly outputs: Outputs;
  readonly terminal: Terminal | null;
  readonly signals: number;
  /** A descriptor whose hang-up ends the job, or -1. */
  readonly owner: number;
  readonly onExec: (hostPid: number, atMs: number) => void;
}

/**
 * Ends and reaps what is left of the job. From pid 1, kill(-1) reaches every process of the pid namespace at once, and a
 * fork under way fails because of the pending signal, so no storm outruns it.
 */
export function endEverybody(group: Group): void {
  do {
    group.kill();
    kill(everybody, SIGKILL);
  } while (waitForAny());
}

/** Of two times to wait for, -1 = for ever. */
function sooner(one: number, other: number): number {
  if (one < 0 || other < 0) return Math.max(one, other);
  return Math.min(one, other);
}

export class Supervisor {
  readonly #parts: Parts;
  readonly #command: Command;
  readonly #set = new PollSet();
  readonly #deadlines: Deadlines;
  #ending: Ending | null = null;
  #status: number | null = null;
  #timeoutMs: number;
  /** Milliseconds since the epoch; 0 until the command has been exec'd. */
  startedAtMs = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#timeoutMs = parts.spec.timeoutMs;
    this.#deadlines = new Deadlines(this.#timeoutMs);
    this.#command = parts.command;
  }

  run(): End {
    while (this.#status === null) this.#round();
    this.#command.finish();
    this.noticeExec();
    endEverybody(this.#parts.group);
    this.#parts.input?.shut();
    this.#parts.outputs.drain(this.#set, this.#parts.owner);
    this.#keepOutputLimit();
    const oomKills = this.#parts.group.oomKills();
    return {
      status: this.#status,
      failure: this.#failure(oomKills),
      ending: this.#ending,
      oomKills,
      forbiddenCall: this.#command.forbidden?.name ?? "",
      outputFailure: this.#parts.outputs.failure,
      startedAtMs: this.startedAtMs,
      finishedAtMs: Math.max(this.startedAtMs, Date.now()), // a clock that was set back moves no end before its beginning
      usage: this.#parts.group.finalUsage(),
      timeoutMs: this.#timeoutMs,
      ...(oomKills > 0 && { memoryLimitBytes: this.#parts.group.memoryLimitBytes() }),
    };
  }

  #round(): void {
    const { control, input, outputs, group, owner, signals } = this.#parts;
    const set = this.#set;
    set.clear();
    const signal = set.add(signals, POLLIN);
    const hangUp = set.add(owner, 0);
    const oom = set.add(group.oomEvents.fd, group.oomEvents.events);
    this.#command.watch(set);
    control.watch(set);
    input?.watch(set);
    outputs.watch(set);
    set.wait(sooner(this.#deadlines.untilNextMs(), this.#command.forbidden?.untilNextMs ?? -1));
    if (set.ready(oom) !== 0) this.#deadlines.watchOom();
    if (set.ready(hangUp) !== 0) this.#killAll({ cause: "STOPPED", by: "the end of its podium" });
    this.#command.advance(set);
    this.noticeExec();
    input?.advance(set);
    control.advance(set, input?.ready ?? true, (frame) => this.#obey(frame));
    outputs.advance(set);
    this.#keepOutputLimit();
    if (set.ready(signal) !== 0) this.#takeSignals();
    this.#keepDeadlines();
  }

  /** Tells of it, once. */
  noticeExec(): void {
    if (this.startedAtMs !== 0 || this.#command.setup !== "executed") return;
    this.startedAtMs = Date.now();
    this.#parts.onExec(this.#command.hostPid, this.startedAtMs);
  }

  #obey(frame: Frame): Flow {
    const { input } = this.#parts;
    switch (frame.type) {
      case ControlType.signal:
        this.#signal(readSignal(frame.payload).signal);
        break;
      case ControlType.stop:
        this.#stop(readStop(frame.payload));
        break;
      case ControlType.input:
        input?.feed(frame.payload);
        break;
      case ControlType.inputEnd:
        input?.end();
        break;
      case ControlType.timeout:
        this.#timeoutMs = readTimeout(frame.payload).milliseconds;
        this.#deadlines.changeTimeout(this.#timeoutMs);
        break;
      case ControlType.resize:
        this.#parts.terminal?.resize(readResize(frame.payload));
        break;
      default:
        throw new Error(`unknown control frame ${frame.type}`);
    }
    return input === null || input.ready ? "on" : "wait";
  }

  #signal(signal: number): void {
    kill(this.#command.pid, signal);
  }

  #stop({ signal, graceMs, by }: StopMessage): void {
    this.#ending ??= { cause: "STOPPED", by };
    if (signal === SIGKILL || graceMs === 0) return this.#killAll(this.#ending);
    this.#signal(signal);
    this.#signal(SIGCONT); // a stopped process takes the signal only when it runs
    this.#deadlines.killIn(graceMs);
  }

  #killAll(ending: Ending): void {
    this.#ending ??= ending;
    this.#parts.group.kill();
    kill(everybody, SIGKILL);
  }

  #takeSignals(): void {
    for (let signal = nextSignal(this.#parts.signals); signal !== 0; signal = nextSignal(this.#parts.signals)) {
      if (signal === SIGCHLD) this.#reap();
      else if (signal === SIGTERM || signal === SIGINT || signal === SIGHUP) {
        this.#stop({ signal: SIGTERM, graceMs: hostGraceMs, by: "a signal to its init" });
      }
    }
  }

  #reap(): void {
    for (let child = reap(); child !== null && child !== "none"; child = reap()) {
      if (child.pid === this.#command.pid) this.#status = child.status;
    }
  }

  #keepOutputLimit(): void {
    const { over } = this.#parts.outputs;
    if (over !== null && this.#ending?.cause !== "OUTPUT_LIMIT") this.#killAll({ cause: "OUTPUT_LIMIT", stream: over });
  }

  #keepDeadlines(): void {
    if (this.#deadlines.oomDue() && this.#parts.group.oomKills() > 0) this.#killAll({ cause: "OOM" });
    if (this.#deadlines.killDue()) this.#killAll(this.#ending ?? { cause: "TIMEOUT" });
    if (this.#deadlines.timeoutDue()) {
      this.#ending ??= { cause: "TIMEOUT" }; // a job that is being stopped with a long grace ends now all the same
      this.#signal(SIGTERM);
      this.#signal(SIGCONT);
      this.#deadlines.killIn(timeoutGraceMs);
    }
  }

  #failure(oomKills: number): SetupFailure | null {
    const { setup } = this.#command;
    if (setup === "executed") return null;
    if (setup !== "pending") return setup;
    const limit = formatSize(this.#parts.spec.limits.memoryBytes);
    if (oomKills > 0)
      return {
        step: "memory",
        errno: "ENOMEM",
        message: `limits.memory: ${limit} is too low to start the command; give it more`,
      };
    if (this.#ending !== null) return null;
    return { step: "setup", errno: "", message: "the process that sets up the job died" };
  }
}
