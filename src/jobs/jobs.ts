// What one can do with jobs: the product's verbs, with no word of gRPC in them.
import { realpathSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import type { Usage } from "../../sandbox/spec.ts";
import type { Abortable } from "./abortable.ts";
import { Admission, type Governance, type Standing } from "./admission.ts";
import { Cleaner } from "./cleaner.ts";
import type { Data } from "./data.ts";
import { DiskSync } from "./disk/sync.ts";
import { Interrupted, NotRunning } from "./errors.ts";
import { Execs } from "./execs.ts";
import { Executor } from "./executor.ts";
import { readExit, readState } from "./folder.ts";
import { staysHalted } from "./halted.ts";
import type { Job } from "./job.ts";
import type { JobControl } from "./job-control.ts";
import { JobFiles } from "./job-files.ts";
import { JobNetworks } from "./job-networks.ts";
import { dropProgram } from "./kept-program.ts";
import type { LimitChange } from "./limit-change.ts";
import { isListed, type ListWanted } from "./list-filter.ts";
import { supervisorLookMs } from "./orphan-start.ts";
import type { Policy } from "./policy.ts";
import { readProcesses } from "./processes.ts";
import { isBeyond, lostRecord, Registry, type Viewer } from "./registry.ts";
import { refuseOther, refuseViewer } from "./roles.ts";
import { signalNumber } from "./signal.ts";
import { type NewJob, Starts } from "./starts.ts";
import { emptyTrash, trashGone } from "./trash.ts";
import { updateJob } from "./update.ts";
import { WorkFolders } from "./work.ts";

/** Who calls and what the role allows. */
export interface Caller extends Viewer {
  readonly role: "user" | "admin" | "viewer";
}

export interface StopRequest {
  /** "" is TERM. */
  readonly signal: string;
  readonly graceMs: number;
}

export interface Log {
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const startupLookMs = 5;
const queuedLookMs = 100;

export class Jobs {
  readonly data: Data;
  readonly files: JobFiles;
  readonly execs: Execs;
  readonly #work: WorkFolders;
  readonly #registry: Registry;
  readonly #executor: Executor;
  readonly #networks: JobNetworks;
  readonly #policy: Policy;
  readonly #log: Log;
  #ending = false;
  readonly #admission: Admission;
  readonly #starts: Starts;
  readonly #cleaner: Cleaner;
  readonly #disk: DiskSync;

  private constructor(
    data: Data,
    registry: Registry,
    { executor, networks }: { executor: Executor; networks: JobNetworks },
    policy: Policy,
    governance: Governance,
    log: Log,
  ) {
    this.data = data;
    this.#work = new WorkFolders(data, policy.copies);
    this.files = new JobFiles(this, this.#work, policy.copies, executor.cgroup);
    this.execs = new Execs(this, executor.cgroup);
    this.#registry = registry;
    this.#executor = executor;
    this.#networks = networks;
    this.#policy = policy;
    this.#log = log;
    this.#admission = new Admission(governance, registry);
    const allowing = { ...policy, homes: realpathSync(data.homes) };
    this.#disk = new DiskSync(log);
    const { work, disk, admission } = { work: this.#work, disk: this.#disk, admission: this.#admission };
    const parts = { registry, executor, networks, policy: allowing, admission, work, disk, log };
    this.#starts = new Starts(parts, (job) => this.#conclude(job));
    this.#cleaner = new Cleaner(governance.retention, registry, this.#admission.disk, log);
  }

  /** Reads DATA, removes what a crash left on the host, starts the zygote, and finds the jobs that still run. */
  static async open(data: Data, policy: Policy, governance: Governance, log: Log): Promise<Jobs> {
    emptyTrash(data);
    const registry = new Registry(data);
    const mayRun = registry.running().filter((job) => !isBeyond(job));
    const running = new Map(mayRun.map((job) => [String(job.id), job.folder]));
    const kept = mayRun.flatMap(({ network }) => (network === null ? [] : [network]));
    const networks = await JobNetworks.open(data.id, policy.network, kept, log); // before the zygote: it leaves /run/netns
    const executor = await Executor.open({ ...data, tag: data.id, ids: policy.ids }, running).catch(async (error) => {
      await networks.close();
      throw error;
    });
    const jobs = new Jobs(data, registry, { executor, networks }, policy, governance, log);
    for (const folder of registry.unreadable)
      log.error({ folder }, "job.json says nothing: the folder is left as it is");
    for (const job of registry.finished()) jobs.#repairState(job);
    for (const job of registry.running().filter(isBeyond)) {
      job.network = null; // gone with its boot, or not ours
      jobs.#conclude(job);
    }
    for (const job of mayRun) jobs.#admission.queue.occupy(job);
    await Promise.all(mayRun.map((job) => executor.adopt(String(job.id), job.folder, () => jobs.#conclude(job))));
    jobs.#starts.requeue();
    return jobs;
  }

  /** Ends what runs, and starts nothing any more. Resolves when nothing of any job is left, or the signal is aborted. */
  async stopAll(graceMs: number, aborted: AbortSignal): Promise<void> {
    this.#ending = true;
    this.#admission.queue.close();
    const how = { signal: signalNumber(""), graceMs, by: "the end of its server" };
    await Promise.all(this.#registry.running().map((job) => this.#stopped(job, how, aborted)));
  }

  /** Resolves when the command has been exec'd. Throws InvalidRequest and its kin before `accepted`, StartFailed after. */
  async start(caller: Caller, wanted: NewJob, accepted: (id: number) => void, aborted: Abortable): Promise<Job> {
    refuseViewer(caller);
    if (this.#ending) throw new Interrupted();
    return this.#starts.start(caller, wanted, accepted, aborted);
  }

  /** Nothing of the job is left: its record becomes what everybody sees. */
  #conclude(job: Job): void {
    if (job.outcome !== null) return;
    const exit = readExit(job.folder) ?? lostRecord(job);
    const fields = { job: job.id, user: job.meta.user };
    try {
      if (readState(job.folder) === "RUNNING") this.#executor.record(job.folder, exit);
    } catch (error) {
      this.#log.error({ ...fields, error: (error as Error).message }, "the record of the job cannot be written");
    }
    if (job.network !== null) this.#networks.release(job.network); // before anybody hears of the end: its ports are free
    dropProgram(job.folder);
    job.finish(exit);
    this.#disk.soon(job);
    this.#admission.queue.release(job);
    this.#cleaner.soon();
    this.#log.info({ ...fields, cause: exit.cause, exitCode: exit.exitCode }, "ended");
  }

  /** `state` is not synced to the disk as the record is: after a power cut it may be of before, or empty. */
  #repairState(job: Job): void {
    if (job.outcome === null || isFinal(readState(job.folder))) return;
    this.#executor.record(job.folder, job.outcome);
  }

  /**
   * The state file changes a moment before its supervisor is gone: who has read it is not told otherwise. A job whose file
   * somebody has removed runs on.
   */
  #current(job: Job): Job {
    if (job.outcome === null && job.pid !== 0 && isFinal(readState(job.folder))) this.#conclude(job);
    return job;
  }

  find(caller: Caller, id: bigint): Job {
    return this.#current(this.#registry.find(id, caller));
  }

  list(caller: Caller, wanted: ListWanted): Job[] {
    const jobs = this.#registry.list(caller).map((job) => this.#current(job));
    return jobs.filter((job) => isListed(job, caller.user, wanted));
  }

  /** Signals the command and, after the grace, kills all of the job; resolves when nothing is left. A finished job is fine. */
  async stop(caller: Caller, id: bigint, how: StopRequest, aborted: AbortSignal): Promise<void> {
    const job = this.find(caller, id);
    refuseViewer(caller);
    const signal = signalNumber(how.signal);
    if (this.#starts.withdraw(job, caller.user)) return;
    await this.#stopped(job, { signal, graceMs: how.graceMs, by: caller.user }, aborted);
    if (job.outcome === null) throw new Interrupted();
  }

  async #stopped(job: Job, how: Parameters<JobControl["stop"]>[0], aborted: AbortSignal): Promise<void> {
    const control = await this.#controlOf(job, aborted, supervisorLookMs);
    if (control === null && aborted.aborted) return;
    const supervisor = control?.supervisor ?? this.#executor.endUnreachable(String(job.id), job.folder);
    control?.stop(how);
    const graceMs = how.signal === signalNumber("KILL") ? 0 : how.graceMs;
    if (await staysHalted(job, supervisor, graceMs, aborted)) {
      job.killedBecause = `its supervisor was stopped on the host (SIGSTOP, or a debugger) and did not obey a stop by ${how.by}: it was killed, and all of the job with it`;
      this.#executor.kill(String(job.id), supervisor);
    }
    await job.ended(aborted);
    control?.close();
  }

  /** Throws Interrupted when the signal is aborted before. */
  async untilEnded(job: Job, aborted: Abortable): Promise<void> {
    await job.ended(aborted);
    if (job.outcome === null) throw new Interrupted();
  }

  /** Of a job that was accepted a moment ago there is none yet, of one that is over none any more. */
  async #controlOf(job: Job, aborted: AbortSignal, patienceMs = Number.POSITIVE_INFINITY): Promise<JobControl | null> {
    let since = performance.now();
    while (job.outcome === null && !aborted.aborted && performance.now() - since < patienceMs) {
      const control = await this.#executor.control(job.folder);
      if (control !== null) return control;
      await setTimeout(job.queued ? queuedLookMs : startupLookMs);
      if (job.pid === 0) since = performance.now();
    }
    return null;
  }

  /** Changes limits of a running job. Throws NotRunning; InvalidRequest and its kin with everything as it was. */
  async update(caller: Caller, id: bigint, change: LimitChange): Promise<Job> {
    const job = this.find(caller, id);
    refuseViewer(caller);
    await updateJob({ executor: this.#executor, policy: this.#policy, admission: this.#admission }, job, change);
    this.#log.info({ job: job.id, user: caller.user, ...change }, "updated");
    return job;
  }

  remove(caller: Caller, id: bigint): void {
    const job = this.find(caller, id);
    refuseViewer(caller);
    this.#registry.remove(job);
    this.#log.info({ job: job.id, user: caller.user }, "removed");
  }

  /** The way to a running job's stdin, terminal and signals; null when it is over. For its owner: it is the job's keyboard. */
  async control(caller: Caller, id: bigint, aborted: AbortSignal): Promise<JobControl | null> {
    const job = this.find(caller, id);
    refuseViewer(caller);
    refuseOther(caller, job);
    return this.#controlOf(job, aborted);
  }

  /** Whether a target is reachable from inside a running job. Throws InvalidRequest, NotRunning. */
  async netcheck(caller: Caller, id: bigint, target: string, timeoutMs: number) {
    const job = this.find(caller, id);
    refuseViewer(caller);
    if (job.queued) throw new NotRunning(job.id, "waits in the queue");
    if (job.outcome !== null || job.pid === 0) throw new NotRunning(job.id);
    const [answer] = await Promise.allSettled([this.#networks.netcheck(commandOf(job), target, timeoutMs)]);
    if (this.#current(job).outcome !== null) throw new NotRunning(job.id);
    if (answer.status === "rejected") throw answer.reason;
    return answer.value;
  }

  /** Live while the job runs, the final figures after; between its group's end and its record, what was last seen. */
  usage(job: Job): Usage {
    if (job.outcome !== null) return job.outcome.usage;
    job.lastUsage = this.#executor.usage(String(job.id)) ?? job.lastUsage;
    return job.lastUsage;
  }

  standing(caller: Caller): Promise<Standing> {
    return this.#admission.standing(caller.user);
  }

  /** Lets running jobs run on. */
  async close(): Promise<void> {
    this.#cleaner.close();
    try {
      this.#work.close();
      await this.#registry.close();
    } finally {
      await this.#executor.close();
      await this.#networks.close();
      await trashGone();
      await this.#disk.done();
    }
  }
}

function isFinal(state: string): boolean {
  return state === "COMPLETED" || state === "FAILED";
}

function commandOf({ pid, folder }: Job) {
  return { pid, startTicks: readProcesses(folder).command?.startTicks ?? null };
}
