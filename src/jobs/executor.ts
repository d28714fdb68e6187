// The seam: the only file of src/server and src/jobs that calls sandbox/ and net/. Plain data in, plain data out, so that
// one day it can move into a root process of its own and the network-facing server can give root up.
import { writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { diskFolders, disksOf } from "../../sandbox/cgroup/block-device.ts";
import { openGroup } from "../../sandbox/cgroup/create.ts";
import type { CgroupPlan } from "../../sandbox/cgroup/group.ts";
import { preparePlacement, removePlacement, sweepJobs } from "../../sandbox/cgroup/placement.ts";
import type { IdRanges } from "../../sandbox/id-ranges.ts";
import type { ControlClient } from "../../sandbox/init/client.ts";
import { prepareRecord, writeRecord } from "../../sandbox/init/record.ts";
import { filterNeeds, type JobRequest, specOf } from "../../sandbox/request.ts";
import { type SeccompChoice, seccompFilters, usualFilter } from "../../sandbox/seccomp/programs.ts";
import type { ExitRecord, SandboxSpec, Usage } from "../../sandbox/spec.ts";
import { idLocks, StartFailedError, ZygoteClient } from "../../sandbox/zygote/client.ts";
import { StepFailed } from "./errors.ts";
import { connectSupervisor, jobControl, keptSupervisor } from "./executor-control.ts";
import { LeftGroups } from "./executor-groups.ts";
import { LostRanges, readyJobsOf } from "./executor-ids.ts";
import { KernelNeeds } from "./executor-kernel.ts";
import { checkLimits, type LimitUpdate, requestFailure, updateLimits } from "./executor-limits.ts";
import { demandHostLocks } from "./executor-locks.ts";
import { placementFor } from "./executor-placement.ts";
import { readGroup, readState } from "./folder.ts";
import type { JobControl, Supervisor } from "./job-control.ts";
import { type Started, startedWithoutZygote, supervisorLookMs } from "./orphan-start.ts";

/** Where one DATA keeps what the executor needs; all absolute. */
export interface ExecutorFolders {
  /** Hexadecimal id of the DATA, in the name of each host object. */
  readonly tag: string;
  readonly stage: string;
  /** File that gets the zygote's pid. */
  readonly zygotePid: string;
  /** File that remembers where the groups are, for the next server. */
  readonly cgroupPlan: string;
  /** Ids of the host that are for jobs. */
  readonly ids: IdRanges;
}

/** A request that has been checked against this host and can be started. */
export interface CheckedJob {
  readonly spec: SandboxSpec;
  readonly disks: readonly string[];
  /** Folders of the host that it reads and writes. */
  readonly folders: readonly string[];
}

interface Running {
  readonly folder: string;
  readonly onEnd: () => void;
  /** False until its command has been exec'd. */
  started: boolean;
  /** Name of its control group; that of a ready-made job is told with its start. */
  group: string;
}

const lookEveryMs = 10;

export class Executor {
  readonly #folders: ExecutorFolders;
  readonly #cgroup: CgroupPlan;
  readonly #running = new Map<string, Running>();
  readonly #controls = new Set<ControlClient>();
  readonly #ranges = new LostRanges();
  readonly #groups: LeftGroups;
  /** Jobs of which the zygote has said `ended` and not yet `gone`. */
  readonly #told = new Set<string>();
  readonly kernel = new KernelNeeds();
  #zygote: ZygoteClient | null = null;
  #starting: Promise<ZygoteClient> | null = null;
  #closed = false;

  private constructor(folders: ExecutorFolders, cgroup: CgroupPlan) {
    this.#folders = folders;
    this.#cgroup = cgroup;
    this.#groups = new LeftGroups(cgroup);
  }

  /**
   * Finds the place for the groups, removes those of no running job, and starts the zygote. Throws with reason and mend.
   * `running`: the folders of the jobs that still run, by job.
   */
  static async open(folders: ExecutorFolders, running: ReadonlyMap<string, string>): Promise<Executor> {
    const keep = new Set([...running].map(([job, folder]) => readGroup(folder) ?? job));
    const cgroup = placementFor(folders, keep.size > 0);
    preparePlacement(cgroup);
    sweepJobs(cgroup, keep);
    const executor = new Executor(folders, cgroup);
    executor.#ranges.hold(running);
    await executor.#readyZygote();
    return executor;
  }

  /** Checks a request completely. Throws InvalidRequest or Unenforceable before any side effect. */
  check(request: JobRequest, seccomp: SeccompChoice, defaultHostname: string): CheckedJob {
    demandHostLocks();
    try {
      const filters = seccompFilters(seccomp, filterNeeds(request));
      const spec = specOf(request, { defaultHostname, network: { kind: "none" }, ...filters });
      const disks = disksOf(spec);
      checkLimits(this.#cgroup, spec.limits, disks);
      return { spec, disks, folders: diskFolders(spec) };
    } catch (error) {
      throw requestFailure(error);
    }
  }

  /**
   * Starts the command of a job whose folder is ready. Resolves when it has been exec'd; rejects with StepFailed. `onEnd`
   * is called once when nothing of the job is left, unless there never was anything.
   */
  async start(job: string, folder: string, checked: CheckedJob, onEnd: () => void): Promise<Started> {
    const zygote = await this.#readyZygote().catch((error: Error) => {
      throw new StepFailed("zygote", "", `zygote: ${error.message}`);
    });
    const running: Running = { folder, onEnd, started: false, group: job };
    this.#running.set(job, running);
    try {
      const started = await zygote.start({ job, folder, spec: checked.spec, disks: checked.disks, bound: false });
      running.started = true;
      running.group = started.group;
      return started;
    } catch (error) {
      if (!(error instanceof StartFailedError)) throw error;
      const { step, errno } = error.failure;
      if (["namespaces", "user-namespace"].includes(step)) this.kernel.doubt();
      if (step !== "zygote") throw new StepFailed(step, errno, error.message);
      return this.#startedWithoutZygote(job, running, error.message);
    }
  }

  async #startedWithoutZygote(job: string, { folder, onEnd }: Running, message: string): Promise<Started> {
    try {
      const started = await startedWithoutZygote(folder);
      if (started === null) throw new StepFailed("zygote", "", message);
      void this.adopt(job, folder, onEnd);
      return started;
    } catch (error) {
      this.#running.delete(job);
      this.#groups.remove(readGroup(folder) ?? job);
      throw error;
    }
  }

  /** Follows a job that an earlier server, or an earlier zygote, started; `onEnd` is called when nothing of it is left. */
  async adopt(job: string, folder: string, onEnd: () => void): Promise<void> {
    this.#running.set(job, { folder, onEnd, started: true, group: readGroup(folder) ?? job });
    const deadline = performance.now() + supervisorLookMs;
    while (!this.#closed && readState(folder) === "RUNNING" && performance.now() < deadline) {
      const control = await this.#connect(folder);
      if (control === "killed") break;
      if (control !== null) {
        control.socket.once("close", () => this.#endedSomehow(job));
        return;
      }
      await setTimeout(lookEveryMs); // about to make its socket, or past it and about to write its record
    }
    this.#endedSomehow(job);
  }

  /** null: the job has no supervisor, or not yet. */
  async control(folder: string): Promise<JobControl | null> {
    const client = await this.#connect(folder);
    return client === null || client === "killed" ? null : jobControl(client);
  }

  async #connect(folder: string): Promise<ControlClient | "killed" | null> {
    const client = await connectSupervisor(folder);
    if (client === null || client === "killed") return client;
    this.#controls.add(client);
    client.socket.once("close", () => this.#controls.delete(client));
    return client;
  }

  /** Where the groups of jobs are. */
  get cgroup(): CgroupPlan {
    return this.#cgroup;
  }

  /** Live figures of a running job, null when it is just over. */
  usage(job: string): Usage | null {
    try {
      return openGroup(this.#cgroup, this.#groupOf(job)).usage();
    } catch {
      return null;
    }
  }

  #groupOf(job: string): string {
    return this.#running.get(job)?.group ?? job;
  }

  /** Throws InvalidRequest and its kin with the limits as they were. */
  updateLimits(job: string, update: LimitUpdate): void {
    try {
      updateLimits(this.#cgroup, openGroup(this.#cgroup, this.#groupOf(job)), update);
    } catch (error) {
      throw requestFailure(error);
    }
  }

  /** Somebody has removed the way to the job's supervisor, or all of its folder: it sees its job killed, and ends. */
  endUnreachable(job: string, folder: string): Supervisor {
    if (this.#running.has(job)) this.#groups.remove(this.#groupOf(job));
    return keptSupervisor(folder);
  }

  /** Kills a job by its supervisor. Its end is looked for here too: the zygote that would tell of it may be stopped as well. */
  kill(job: string, supervisor: Supervisor): void {
    const running = this.#running.get(job);
    if (this.#closed || running === undefined) return;
    supervisor.kill();
    if (running.started) void this.adopt(job, running.folder, running.onEnd);
  }

  /** Writes the record and the state of a job that its own supervisor could not write. */
  record(folder: string, record: ExitRecord): void {
    writeRecord(prepareRecord(folder), record);
  }

  /** Ends the zygote. Running jobs run on; the groups go when none is left. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const control of this.#controls) control.close();
    await this.#zygote?.close();
    this.kernel.close();
    this.#groups.close();
    const deadline = performance.now() + supervisorLookMs; // the init of a job that has just ended may be about to exit
    while (removePlacement(this.#cgroup).length > 0 && this.#running.size === 0 && performance.now() < deadline) {
      await setTimeout(lookEveryMs);
    }
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
    const { stage, zygotePid, ids } = this.#folders;
    const many = { rehearse: true, readyJobs: readyJobsOf(ids), ...usualFilter() };
    const zygote = await ZygoteClient.spawn({ cgroup: this.#cgroup, stage, idLocks, ids, ...many });
    try {
      writeFileSync(zygotePid, `${zygote.pid}\n`, { mode: 0o600 });
    } catch (error) {
      await zygote.close(); // none that nobody can name; the next start tries again
      throw error;
    }
    // A start is answered before its end. Whoever says `ended` removes its group now, which is empty; after `gone`, which follows, it is looked for.
    zygote.on("ended", (job) => {
      this.#told.add(job);
      setImmediate(() => this.#ended(job));
    });
    zygote.on("gone", (job, group) => {
      if (this.#told.delete(job)) this.#groups.doubt(group);
      else this.#groups.remove(group); // its supervisor was killed
      setImmediate(() => this.#ended(job));
    });
    zygote.once("exit", () => this.#zygoteDied());
    if (!zygote.isSound) this.kernel.doubt();
    this.#zygote = zygote;
    return zygote;
  }

  /** Its jobs run on under their own supervisors; from now on the closing of their sockets tells when they end. */
  #zygoteDied(): void {
    this.#zygote = null;
    this.#told.clear();
    if (this.#closed) return;
    for (const [job, { folder, onEnd, started }] of [...this.#running]) {
      if (started) void this.adopt(job, folder, onEnd);
    }
    this.#readyZygote().catch(() => {}); // the next start tries again and says why
  }

  /** Its supervisor may have been killed. */
  #endedSomehow(job: string): void {
    if (!this.#closed && this.#running.has(job)) this.#groups.remove(this.#groupOf(job));
    this.#ended(job);
  }

  #ended(job: string): void {
    const running = this.#running.get(job);
    if (this.#closed || running === undefined) return;
    this.#running.delete(job);
    this.#ranges.release(job);
    running.onEnd();
  }
}
