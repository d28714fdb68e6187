// The seam: the only file of src/server and src/jobs that calls sandbox/ and net/. Plain data in, plain data out, so that
// one day it can move into a root process of its own and the network-facing server can give root up.
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { wholeDisks } from "../../sandbox/cgroup/block-device.ts";
import { openGroup } from "../../sandbox/cgroup/create.ts";
import { CgroupError } from "../../sandbox/cgroup/errors.ts";
import { findPlacement } from "../../sandbox/cgroup/find-placement.ts";
import type { CgroupPlan } from "../../sandbox/cgroup/group.ts";
import { checkRequest } from "../../sandbox/cgroup/limits.ts";
import { preparePlacement, removePlacement, sweepJobs } from "../../sandbox/cgroup/placement.ts";
import { ControlClient } from "../../sandbox/init/client.ts";
import { prepareRecord, writeRecord } from "../../sandbox/init/record.ts";
import { type JobRequest, RequestError, specOf } from "../../sandbox/request.ts";
import { ProfileError } from "../../sandbox/seccomp/errors.ts";
import { type SeccompChoice, seccompPrograms } from "../../sandbox/seccomp/programs.ts";
import type { ExitRecord, Limits, SandboxSpec, Usage } from "../../sandbox/spec.ts";
import { O_CREAT, O_RDWR, open, tryLockByte } from "../../sandbox/sys/descriptors.ts";
import { StartFailedError, ZygoteClient } from "../../sandbox/zygote/client.ts";
import { InvalidRequest, Unenforceable } from "./errors.ts";

/** Shared by all servers and sandboxes of the host: which id ranges are in use. */
const idLocks = "/run/podium/ids";

/** Where one DATA keeps what the executor needs; all absolute. */
export interface ExecutorFolders {
  /** Hexadecimal id of the DATA, in the name of each host object. */
  readonly tag: string;
  readonly stage: string;
  /** File that gets the zygote's pid. */
  readonly zygotePid: string;
  /** File that remembers where the groups are, for the next server. */
  readonly cgroupPlan: string;
}

/** A request that has been checked against this host and can be started. */
export interface CheckedJob {
  readonly spec: SandboxSpec;
  readonly disks: readonly string[];
}

export interface Started {
  readonly pid: number;
  readonly startedAtMs: number;
}

/** A live connection to a job's supervisor. */
export interface JobControl {
  signal(signal: number): void;
  stop(request: { signal: number; graceMs: number; by: string }): void;
  /** Resolves when the supervisor's socket has taken the bytes. */
  input(bytes: Buffer): Promise<void>;
  inputEnd(): void;
  readonly closed: Promise<void>;
  close(): void;
}

/** Takes the lock of a DATA for the life of this process; false when another server has it. */
export function lockData(path: string): boolean {
  return tryLockByte(open(path, O_RDWR | O_CREAT, 0o600), 0);
}

interface Running {
  readonly folder: string;
  readonly onEnd: () => void;
}

export class Executor {
  readonly #folders: ExecutorFolders;
  readonly #cgroup: CgroupPlan;
  readonly #running = new Map<string, Running>();
  #zygote: ZygoteClient | null = null;
  #starting: Promise<ZygoteClient> | null = null;
  #closed = false;

  private constructor(folders: ExecutorFolders, cgroup: CgroupPlan) {
    this.#folders = folders;
    this.#cgroup = cgroup;
  }

  /** Finds the place for the groups, removes those of no kept job, and starts the zygote. Throws with reason and mend. */
  static async open(folders: ExecutorFolders, keep: ReadonlySet<string>): Promise<Executor> {
    const cgroup = placementFor(folders, keep.size > 0);
    preparePlacement(cgroup);
    sweepJobs(cgroup, keep);
    const executor = new Executor(folders, cgroup);
    await executor.#readyZygote();
    return executor;
  }

  /** Checks a request completely. Throws InvalidRequest or Unenforceable before any side effect. */
  check(request: JobRequest, seccomp: SeccompChoice, defaultHostname: string): CheckedJob {
    try {
      const writableGrants = (request.grants ?? []).some((grant) => grant.writable) || request.rootfs?.mode === "rw";
      const programs = seccompPrograms(seccomp, { capabilities: [], writableGrants });
      const spec = specOf(request, { defaultHostname, network: { kind: "none" }, seccomp: programs });
      const disks = spec.limits.ioBytesPerSecond === 0 ? [] : wholeDisks(foldersOf(spec));
      this.#checkLimits(spec.limits, disks);
      return { spec, disks };
    } catch (error) {
      throw requestFailure(error);
    }
  }

  /**
   * Starts the command of a job whose folder is ready. Resolves when it has been exec'd; rejects with StepFailed. `onEnd`
   * is called once when nothing of the job is left, also after a rejection.
   */
  async start(job: string, folder: string, checked: CheckedJob, onEnd: () => void): Promise<Started> {
    this.#running.set(job, { folder, onEnd });
    try {
      const zygote = await this.#readyZygote();
      return await zygote.start({ job, folder, spec: checked.spec, disks: checked.disks, bound: false });
    } catch (error) {
      if (error instanceof StartFailedError)
        throw new StepFailed(error.failure.step, error.failure.errno, error.message);
      this.#ended(job);
      throw new StepFailed("zygote", "", `zygote: ${(error as Error).message}`);
    }
  }

  /** Follows a job that an earlier server, or an earlier zygote, started; `onEnd` is called when its supervisor is gone. */
  async adopt(job: string, folder: string, onEnd: () => void): Promise<void> {
    this.#running.set(job, { folder, onEnd });
    const control = await connect(folder);
    if (control === null) return this.#ended(job);
    control.socket.once("close", () => this.#ended(job));
    control.socket.resume();
  }

  /** null: the job has no supervisor any more. */
  async control(folder: string): Promise<JobControl | null> {
    const client = await connect(folder);
    return client === null ? null : jobControl(client);
  }

  /** Live figures of a running job, null when it is just over. */
  usage(job: string): Usage | null {
    try {
      return openGroup(this.#cgroup, job).usage();
    } catch {
      return null;
    }
  }

  /** Writes the record and the state of a job that its own supervisor could not write. */
  record(folder: string, record: ExitRecord): void {
    writeRecord(prepareRecord(folder), record);
  }

  /** Ends the zygote. Running jobs run on; the groups go when none is left. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#zygote?.close();
    removePlacement(this.#cgroup);
  }

  #checkLimits(limits: Limits, disks: readonly string[]): void {
    for (const [field, reason] of Object.entries(this.#cgroup.unenforceable) as [keyof Limits, string][]) {
      if (limits[field] > 0) throw new Unenforceable(`${limitFields[field]}: ${reason}`);
    }
    checkRequest({ name: "check", limits, disks }, this.#cgroup.unenforceable);
  }

  /** One zygote at a time; a dead one is replaced. */
  #readyZygote(): Promise<ZygoteClient> {
    if (this.#zygote !== null) return Promise.resolve(this.#zygote);
    this.#starting ??= this.#spawnZygote().finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  async #spawnZygote(): Promise<ZygoteClient> {
    const { stage, zygotePid } = this.#folders;
    const zygote = await ZygoteClient.spawn({ cgroup: this.#cgroup, stage, idLocks });
    writeFileSync(zygotePid, `${zygote.pid}\n`, { mode: 0o600 });
    zygote.on("gone", (job) => this.#ended(job));
    zygote.once("exit", () => this.#zygoteDied());
    this.#zygote = zygote;
    return zygote;
  }

  /** Its jobs run on under their own supervisors; from now on the closing of their sockets tells when they end. */
  #zygoteDied(): void {
    this.#zygote = null;
    if (this.#closed) return;
    for (const [job, { folder, onEnd }] of [...this.#running]) void this.adopt(job, folder, onEnd);
    this.#readyZygote().catch(() => {}); // the next start tries again and says why
  }

  #ended(job: string): void {
    const running = this.#running.get(job);
    this.#running.delete(job);
    running?.onEnd();
  }
}

/** The command could not be started: at which named step, with which errno. */
export class StepFailed extends Error {
  override readonly name = "StepFailed";
  readonly step: string;
  readonly errno: string;

  constructor(step: string, errno: string, message: string) {
    super(message);
    this.step = step;
    this.errno = errno;
  }
}

/**
 * Where the groups of the last server are, while jobs of its live there; else below the own group, and what the last one
 * left elsewhere goes. A server may be started from another group each time (a login session, a unit).
 */
function placementFor({ tag, cgroupPlan }: ExecutorFolders, jobsRun: boolean): CgroupPlan {
  const last = readPlan(cgroupPlan);
  if (last !== null && jobsRun) return last;
  if (last !== null) {
    sweepJobs(last, new Set());
    removePlacement(last);
  }
  const plan = findPlacement(tag);
  writeFileSync(cgroupPlan, `${JSON.stringify(plan)}\n`, { mode: 0o600 });
  return plan;
}

/** null: there was none, or the host has been restarted since and its folders are gone. */
function readPlan(file: string): CgroupPlan | null {
  try {
    const plan = JSON.parse(readFileSync(file, "utf8")) as CgroupPlan;
    const roots = plan.version === 2 ? [plan.root] : Object.values(plan.roots);
    return roots.every((root) => existsSync(root)) ? plan : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT" || error instanceof SyntaxError) return null;
    throw error;
  }
}

function foldersOf(spec: SandboxSpec): string[] {
  return [spec.rootfs?.path ?? "/usr", ...spec.grants.map((grant) => grant.source)];
}

async function connect(folder: string): Promise<ControlClient | null> {
  try {
    return await ControlClient.connect(folder);
  } catch {
    return null;
  }
}

function jobControl(client: ControlClient): JobControl {
  const { socket } = client;
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.resume();
  return {
    signal: (signal) => client.signal(signal),
    stop: (request) => client.stop(request),
    input: async (bytes) => {
      if (!client.input(bytes)) await Promise.race([once(socket, "drain"), closed]);
    },
    inputEnd: () => client.inputEnd(),
    closed,
    close: () => client.close(),
  };
}

/** Names of the limits in the API. */
const limitFields: Readonly<Record<keyof Limits, string>> = {
  cpus: "cpu",
  memoryBytes: "mem",
  ioBytesPerSecond: "io",
  pids: "pids",
};
/** Fields of JobRequest that the API calls otherwise. */
const requestFields: Readonly<Record<string, string>> = { cpus: "cpu", memory: "mem", timeout: "timeout_ms" };

function requestFailure(error: unknown): unknown {
  if (error instanceof RequestError) {
    const field = (requestFields[error.field] ?? error.field).replace(/^dir\[/, "grants[");
    return new InvalidRequest(field, error.message.slice(error.field.length + 2), error.mend);
  }
  if (error instanceof CgroupError) {
    const [, name = "", reason = ""] = /^limits\.(\w+): (.*)$/s.exec(error.message) ?? [];
    const field = limitFields[name as keyof Limits];
    return new InvalidRequest(field ?? "io", field === undefined ? error.message : reason);
  }
  return error instanceof ProfileError ? new InvalidRequest("seccomp", error.message) : error;
}
