// The part of the seam (executor.ts) that runs further commands in running jobs, each with its job's rights.
import type { CgroupPlan } from "../../sandbox/cgroup/group.ts";
import { type ExecEvent, FurtherCommand } from "../../sandbox/exec/client.ts";
import type { ExecRequest } from "../../sandbox/exec/protocol.ts";
import {
  checkStrings,
  checkTogether,
  environment,
  guestPath,
  terminalSize,
  type UserRequest,
  user,
  userName,
} from "../../sandbox/program-request.ts";
import { RequestError } from "../../sandbox/request-error.ts";
import { seccompPrograms } from "../../sandbox/seccomp/programs.ts";
import type { ProgramSpec, TerminalSize } from "../../sandbox/spec.ts";
import { Exhausted, NotPossible, NotRunning } from "./errors.ts";
import { readGroup } from "./folder.ts";
import type { Job } from "./job.ts";
import type { Caller } from "./jobs.ts";
import { type KeptProgram, readProgram } from "./kept-program.ts";
import { readProcesses } from "./processes.ts";
import { refusedField } from "./refusals.ts";
import { refuseOther, refuseViewer } from "./roles.ts";

export type { ExecEvent };

/** Absent = as the job's own command has it. */
export interface ExecWanted {
  readonly argv: readonly string[];
  /** `NAME=VALUE`, added to the job's environment. */
  readonly env: readonly string[];
  readonly cwd?: string;
  readonly user?: UserRequest;
  readonly stdin: boolean;
  /** Absent: three pipes. */
  readonly terminal?: TerminalSize;
}

/** A further command that runs, or soon will. */
export interface JobExec extends Disposable {
  /** Throws NotRunning. */
  events(): AsyncGenerator<ExecEvent, void, undefined>;
  /** Resolves when there is room for more. */
  input(bytes: Buffer): Promise<void>;
  inputEnd(): void;
  resize(size: TerminalSize): void;
  signal(signal: number): void;
}

/** Each is a process of podium's own beside the job's. */
const mostOfUser = 32;
/** What fails in which way when the job's command ends meanwhile. */
const lookingSteps: readonly string[] = ["process", "pid namespace", "namespaces", "cgroup"];
const goneCodes: readonly string[] = ["ENOENT", "ESRCH", ""];

/** The part of `Jobs` that is needed here. */
interface JobFinder {
  find(caller: Caller, id: bigint): Job;
}

export class Execs {
  readonly #jobs: JobFinder;
  readonly #cgroup: CgroupPlan;
  readonly #ofUser = new Map<string, number>();

  constructor(jobs: JobFinder, cgroup: CgroupPlan) {
    this.#jobs = jobs;
    this.#cgroup = cgroup;
  }

  /** Dispose it: that kills what still runs. Throws InvalidRequest, NotRunning, NotAllowed, NotPossible, Exhausted. */
  start(caller: Caller, id: bigint, wanted: ExecWanted): JobExec {
    const job = this.#jobs.find(caller, id);
    refuseViewer(caller);
    refuseOther(caller, job);
    if (job.queued) throw new NotRunning(job.id, "waits in the queue");
    if (job.outcome !== null) throw new NotRunning(job.id);
    if (job.pid === 0) throw new NotRunning(job.id, "is about to start");
    const kept = readProgram(job.folder);
    if (kept === null) throw new NotPossible(`job ${job.id} was started by an older podium, which kept too little`);
    const program = checked(kept, wanted);
    this.#enter(caller.user);
    const group = readGroup(job.folder) ?? String(job.id);
    const { ownRoot } = kept;
    const startTicks = readProcesses(job.folder).command?.startTicks ?? null;
    const place = { pid: job.pid, startTicks, cgroup: this.#cgroup, group };
    const command = new FurtherCommand({ ...place, ...program, ownRoot });
    void command.gone.then(() => this.#leave(caller.user));
    return {
      events: () => this.#eventsOf(caller, job, command),
      input: (bytes) => command.input(bytes),
      inputEnd: () => command.inputEnd(),
      resize: (size) => command.resize(size),
      signal: (signal) => command.signal(signal),
      [Symbol.dispose]: () => command.close(),
    };
  }

  async *#eventsOf(caller: Caller, job: Job, command: FurtherCommand): AsyncGenerator<ExecEvent, void, undefined> {
    for await (const event of command.events()) {
      if (event.kind === "failed") {
        const { step, errno } = event.failure;
        const isOver = this.#jobs.find(caller, BigInt(job.id)).outcome !== null;
        if (isOver || (lookingSteps.includes(step) && goneCodes.includes(errno))) throw new NotRunning(job.id);
      }
      yield event;
    }
  }

  #enter(user: string): void {
    const count = this.#ofUser.get(user) ?? 0;
    if (count >= mostOfUser)
      throw new Exhausted(`${user} runs ${count} further commands in jobs, and ${mostOfUser} is the most; end one`);
    this.#ofUser.set(user, count + 1);
  }

  #leave(user: string): void {
    const left = (this.#ofUser.get(user) ?? 1) - 1;
    if (left > 0) this.#ofUser.set(user, left);
    else this.#ofUser.delete(user);
  }
}

/** The default one, whatever the job's own is. Without the guard against set-uid files, which refuses openat2(2): it makes none. */
const readersFilter = () => seccompPrograms({ kind: "default" }, { capabilities: [], writableGrants: false });

function checked(kept: KeptProgram, wanted: ExecWanted): Pick<ExecRequest, "spec" | "named"> {
  try {
    const spec = specOf(kept, wanted);
    const name = wanted.user?.name ?? "";
    return name === "" ? { spec } : { spec, named: { name: userName(name), as: kept.user, seccomp: readersFilter() } };
  } catch (error) {
    throw error instanceof RequestError ? refusedField(error) : error;
  }
}

function specOf(kept: KeptProgram, { argv, env, cwd, user: ids, stdin, terminal }: ExecWanted): ProgramSpec {
  const { capabilities, seccomp, callNames } = kept;
  checkStrings("argv", argv);
  if ((argv[0] ?? "") === "") throw new RequestError("argv", "the command is empty", "name a program to run");
  const merged = merge(kept.env, env, terminal !== undefined);
  checkTogether(
    argv,
    Object.entries(merged).map(([name, value]) => `${name}=${value}`),
  );
  return {
    argv,
    env: merged,
    cwd: cwd === undefined ? kept.cwd : guestPath("cwd", cwd),
    user: ids === undefined || ids.name ? kept.user : user(ids),
    capabilities,
    seccomp,
    callNames,
    stdin: stdin ? "stream" : "null",
    terminal: terminalSize(terminal),
  };
}

function merge(own: KeptProgram["env"], settings: readonly string[], terminal: boolean): Record<string, string> {
  environment(settings, terminal); // checks them
  const env = new Map(Object.entries(own));
  if (terminal && !env.has("TERM")) env.set("TERM", "xterm");
  for (const setting of settings) {
    const cut = setting.indexOf("=");
    env.set(setting.slice(0, cut), setting.slice(cut + 1));
  }
  return Object.fromEntries(env);
}
