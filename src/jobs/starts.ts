// From an accepted request to a running command: checks, admission, the queue, and what is recorded when it fails.
import type { JobRequest } from "../../sandbox/request.ts";
import type { ExitRecord } from "../../sandbox/spec.ts";
import type { Abortable } from "./abortable.ts";
import { type Admission, unlessQueued } from "./admission.ts";
import { bootId } from "./boot.ts";
import { refuseCapabilities } from "./capability-rules.ts";
import type { DiskSync } from "./disk/sync.ts";
import { InvalidRequest, NotAllowed, StartFailed, StepFailed, StoppedInQueue } from "./errors.ts";
import type { CheckedJob, Executor } from "./executor.ts";
import { keepNetwork, leaveQueue, readExit, readQueued } from "./folder.ts";
import { withHome } from "./homes.ts";
import type { Job } from "./job.ts";
import type { JobNetwork, JobNetworks } from "./job-networks.ts";
import type { Caller, Log } from "./jobs.ts";
import { keepProgram } from "./kept-program.ts";
import { checkLabels } from "./labels.ts";
import { type NetworkWish, noWish } from "./network-request.ts";
import { applyPolicy, type Policy, refuseMoved } from "./policy.ts";
import type { Queue } from "./queue.ts";
import { lostRecord, type Registry } from "./registry.ts";
import { RepeatableStarts, type RequestIdentity } from "./request-id.ts";
import type { WorkFolders, WorkWanted } from "./work.ts";

export interface NewJob {
  readonly request: JobRequest;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** "", `default`, `unconfined`, or an OCI profile as JSON text. */
  readonly seccomp: string;
  /** null: no work folder. */
  readonly work: WorkWanted | null;
  /** null: a repetition of the request starts another job. */
  readonly repeatable: RequestIdentity | null;
  readonly network: NetworkWish;
  /** Wait in the queue, where there is one and the server is full. */
  readonly wait: boolean;
}

/** What a job in the queue needs to start, also in the next server. */
interface QueuedRequest {
  readonly caller: Caller;
  readonly wanted: NewJob;
}

const longestName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export interface StartParts {
  readonly registry: Registry;
  readonly executor: Executor;
  readonly networks: JobNetworks;
  readonly policy: Policy;
  readonly admission: Admission;
  readonly work: WorkFolders;
  readonly disk: DiskSync;
  readonly log: Log;
}

export class Starts {
  readonly #registry: Registry;
  readonly #executor: Executor;
  readonly #networks: JobNetworks;
  readonly #policy: Policy;
  readonly #admission: Admission;
  readonly #queue: Queue;
  readonly #work: WorkFolders;
  readonly #disk: DiskSync;
  readonly #log: Log;
  readonly #repeatable: RepeatableStarts;
  readonly #conclude: (job: Job) => void;

  /** `conclude` is called when nothing of a job is left. */
  constructor(parts: StartParts, conclude: (job: Job) => void) {
    const { registry, executor, networks, policy, admission, work, disk, log } = parts;
    this.#registry = registry;
    this.#executor = executor;
    this.#networks = networks;
    this.#policy = policy;
    this.#admission = admission;
    this.#queue = admission.queue;
    this.#work = work;
    this.#disk = disk;
    this.#log = log;
    this.#repeatable = new RepeatableStarts(registry, admission.queue);
    this.#conclude = conclude;
  }

  /** Resolves when the command has been exec'd. Throws InvalidRequest and its kin before `accepted`, StartFailed after. */
  async start(caller: Caller, wanted: NewJob, accepted: (id: number) => void, aborted: Abortable): Promise<Job> {
    const { repeatable } = wanted;
    let own: Job | undefined;
    const start = () =>
      this.#start(caller, wanted, (job) => {
        own = job;
        accepted(job.id);
      });
    const answer = repeatable === null ? start() : this.#repeatable.once(caller.user, repeatable, start);
    const job = () => own ?? (repeatable === null ? undefined : this.#registry.byRequestId(caller.user, repeatable.id));
    return unlessQueued(answer, () => job()?.queued === true, aborted);
  }

  async #start(caller: Caller, wanted: NewJob, accepted: (job: Job) => void): Promise<Job> {
    const checked = this.#check(caller, wanted);
    if (wanted.work !== null) this.#work.check(caller.user, wanted.work);
    await this.#executor.kernel.demand(checked.spec);
    const { limits } = checked.spec;
    await this.#admission.check(caller.user, limits);
    const now = this.#admission.enter(caller.user, limits, wanted.wait) === "now";
    const job = await this.#accepted(caller, wanted, checked, now);
    accepted(job); // written down before anything of it runs
    await (now
      ? this.#launch(job, checked)
      : this.#queue.wait(job, () => this.#launchQueued(job, wanted.network, () => checked)));
    return job;
  }

  async #accepted(caller: Caller, wanted: NewJob, checked: CheckedJob, now: boolean): Promise<Job> {
    try {
      if (now) return await this.#acceptNow(caller, wanted, checked);
      return this.#accept(caller, wanted, checked, { caller, wanted });
    } catch (error) {
      this.#admission.leave(caller.user);
      throw error;
    }
  }

  /** Keeps the place while the network is made: nothing is accepted that cannot have its own. */
  async #acceptNow(caller: Caller, wanted: NewJob, checked: CheckedJob): Promise<Job> {
    const place = { meta: { user: caller.user, limits: checked.spec.limits } };
    this.#queue.occupy(place);
    let network: JobNetwork | null = null;
    try {
      network = await this.#networks.acquire(wanted.network, checked.spec.hostname);
      const job = this.#accept(caller, wanted, checked, null);
      job.network = network;
      this.#queue.occupy(job);
      return job;
    } catch (error) {
      if (network !== null) this.#networks.release(network);
      throw error;
    } finally {
      this.#queue.release(place);
    }
  }

  #accept(caller: Caller, wanted: NewJob, checked: CheckedJob, queued: QueuedRequest | null): Job {
    const job = this.#registry.create((id) => metaOf(id, caller, wanted, checked), caller.user, wanted.name, queued);
    try {
      if (wanted.work !== null) this.#work.place(job.folder, wanted.work);
      if (queued !== null) {
        job.unsynced = [...job.unsynced, "queued.json"];
        this.#disk.soon(job); // it may wait for long
      }
      return job;
    } catch (error) {
      this.#registry.discard(job);
      throw error;
    }
  }

  /** Jobs that waited under an earlier server wait again, in their old order. */
  requeue(): void {
    for (const job of this.#registry.queued()) this.#requeue(job);
    this.#queue.pump();
  }

  /** What the server allows may have changed since. */
  #requeue(job: Job): void {
    const kept = readQueued<QueuedRequest>(job.folder);
    const check = () => {
      if (kept === null) throw new Error(`${job.folder}/queued.json cannot be read`);
      return this.#check(kept.caller, kept.wanted);
    };
    void this.#queue.wait(job, () => this.#launchQueued(job, kept?.wanted.network ?? noWish, check));
  }

  async #launchQueued(job: Job, wish: NetworkWish, check: () => CheckedJob): Promise<void> {
    let checked: CheckedJob;
    try {
      checked = check();
      await this.#executor.kernel.demand(checked.spec);
      leaveQueue(job.folder);
      job.network = await this.#networks.acquire(wish, checked.spec.hostname);
    } catch (error) {
      const { message } = error as Error;
      this.#recordFailedStart(job, new StepFailed("queue", "", `when it was its turn: ${message}`));
      throw new StartFailed(job.id, job.outcome?.message ?? message);
    }
    await this.#launch(job, checked);
  }

  /** Completely, before anything is done. Throws InvalidRequest and its kin. */
  #check(caller: Caller, wanted: NewJob): CheckedJob {
    if (wanted.name !== "" && !longestName.test(wanted.name)) {
      throw new InvalidRequest(
        "name",
        `${JSON.stringify(wanted.name)} is not a name`,
        "use letters, digits, dot, hyphen and underscore, at most 63",
      );
    }
    if (/^\d+$/.test(wanted.name))
      throw new InvalidRequest("name", "a name of digits only would be taken for an id", "add a letter");
    checkLabels(wanted.labels);
    const { homes } = this.#policy;
    const named = homes === undefined ? wanted.request : withHome(wanted.request, homes, caller.user);
    const allowed = applyPolicy(named, this.#policy, caller.user);
    const request = wanted.work === null ? allowed : this.#work.prepare(allowed);
    const checked = this.#executor.check(request, seccompChoice(caller, wanted.seccomp), "podium");
    refuseMoved(request, checked.spec);
    refuseCapabilities(this.#policy.capabilities, caller.user, checked.spec);
    this.#networks.check(wanted.network);
    return checked;
  }

  async #launch(job: Job, checked: CheckedJob): Promise<void> {
    const fields = { job: job.id, user: job.meta.user };
    try {
      if (job.network !== null) keepNetwork(job.folder, job.network); // the next server is told what to keep
      const placed = job.meta.work === undefined ? checked.spec : this.#work.within(checked.spec, job.id);
      const within = { ...checked, spec: this.#networks.within(placed, job.network) };
      keepProgram(job.folder, within.spec);
      const started = await this.#executor.start(String(job.id), job.folder, within, () => this.#conclude(job));
      Object.assign(job, { pid: started.pid, startedAtMs: started.startedAtMs });
      this.#disk.soon(job);
      this.#log.info({ ...fields, pid: started.pid }, "started");
    } catch (error) {
      const failure = error instanceof StepFailed ? error : new StepFailed("server", "", (error as Error).message);
      this.#log.info({ ...fields, step: failure.step, errno: failure.errno }, "start failed");
      this.#recordFailedStart(job, failure);
      throw new StartFailed(job.id, job.outcome?.message ?? failure.message);
    }
  }

  /** Its supervisor has written the record, unless it never came so far. */
  #recordFailedStart(job: Job, failure: StepFailed): void {
    try {
      if (readExit(job.folder) === null) this.#executor.record(job.folder, startFailedRecord(job, failure));
    } catch (error) {
      // DATA has no room for the record: then the job has never been.
      this.#registry.discard(job);
      if (job.network !== null) this.#networks.release(job.network);
      this.#queue.release(job);
      throw new Error(`${failure.message}; and its record cannot be written: ${(error as Error).message}`);
    }
    this.#conclude(job);
  }

  /** Ends a job that waits in the queue; false: it does not. */
  withdraw(job: Job, by: string): boolean {
    if (!job.queued) return false;
    const message = `stopped by ${by} while it waited for its start`;
    this.#executor.record(job.folder, { ...lostRecord(job), cause: "STOPPED", by, message });
    leaveQueue(job.folder);
    this.#queue.withdraw(job, new StoppedInQueue(job.id, message));
    this.#conclude(job);
    return true;
  }
}

function seccompChoice(caller: Caller, text: string) {
  if (text === "" || text === "default") return { kind: "default" } as const;
  if (text !== "unconfined") return { kind: "text", text } as const;
  if (caller.role === "admin") return { kind: "unconfined" } as const;
  throw new NotAllowed("seccomp: unconfined is for podium:admin certificates");
}

function metaOf(id: number, caller: Caller, wanted: NewJob, { spec, folders }: CheckedJob) {
  return {
    id,
    name: wanted.name,
    labels: wanted.labels,
    user: caller.user,
    createdAtMs: Date.now(),
    command: spec.argv,
    limits: spec.limits,
    folders,
    capabilities: spec.capabilities,
    timeoutMs: spec.timeoutMs,
    output: spec.output,
    stdin: spec.stdin === "stream",
    boot: bootId,
    inside: { ...spec.user, cwd: spec.cwd },
    ...(wanted.work !== null && { work: spec.cwd }),
    terminal: spec.terminal !== null,
    ...(wanted.repeatable && { requestId: wanted.repeatable.id, requestDigest: wanted.repeatable.digest }),
  };
}

function startFailedRecord(job: Job, { step, errno, message }: StepFailed): ExitRecord {
  return { ...lostRecord(job), cause: "START_FAILED", message, step, errno };
}
