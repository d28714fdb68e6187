// What one can do with jobs: the product's verbs, with no word of gRPC in them.
import { setTimeout } from "node:timers/promises";
import type { JobRequest } from "../../sandbox/request.ts";
import type { ExitRecord, Usage } from "../../sandbox/spec.ts";
import { refuseCapabilities } from "./capability-rules.ts";
import type { Data } from "./data.ts";
import { Interrupted, InvalidRequest, NotAllowed, NotRunning, StartFailed, StepFailed } from "./errors.ts";
import { type CheckedJob, Executor } from "./executor.ts";
import { keepNetwork, readExit, readState } from "./folder.ts";
import type { Job } from "./job.ts";
import type { JobControl } from "./job-control.ts";
import { type JobNetwork, JobNetworks } from "./job-networks.ts";
import { checkLabels } from "./labels.ts";
import { isListed, type ListWanted } from "./list-filter.ts";
import type { NetworkWish } from "./network-request.ts";
import { applyPolicy, type Policy, refuseMoved } from "./policy.ts";
import { lostRecord, Registry, type Viewer } from "./registry.ts";
import { RepeatableStarts, type RequestIdentity } from "./request-id.ts";
import { signalNumber } from "./signal.ts";

/** Who calls and what the role allows. */
export interface Caller extends Viewer {
  readonly role: "user" | "admin" | "viewer";
}

export interface NewJob {
  readonly request: JobRequest;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** "", `default`, `unconfined`, or an OCI profile as JSON text. */
  readonly seccomp: string;
  /** null: a repetition of the request starts another job. */
  readonly repeatable: RequestIdentity | null;
  readonly network: NetworkWish;
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
const longestName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export class Jobs {
  readonly data: Data;
  readonly #registry: Registry;
  readonly #executor: Executor;
  readonly #networks: JobNetworks;
  readonly #policy: Policy;
  readonly #log: Log;
  readonly #repeatable: RepeatableStarts;

  private constructor(
    data: Data,
    registry: Registry,
    { executor, networks }: { executor: Executor; networks: JobNetworks },
    policy: Policy,
    log: Log,
  ) {
    this.data = data;
    this.#policy = policy;
    this.#registry = registry;
    this.#executor = executor;
    this.#networks = networks;
    this.#log = log;
    this.#repeatable = new RepeatableStarts(registry);
  }

  /** Reads DATA, removes what a crash left on the host, starts the zygote, and finds the jobs that still run. */
  static async open(data: Data, policy: Policy, log: Log): Promise<Jobs> {
    const registry = new Registry(data);
    const keep = new Set(registry.running().map((job) => String(job.id)));
    const kept = registry.running().flatMap(({ network }) => (network === null ? [] : [network]));
    const networks = await JobNetworks.open(data.id, policy.network, kept, log); // before the zygote: it leaves /run/netns
    const executor = await Executor.open({ ...data, tag: data.id }, keep).catch(async (error) => {
      await networks.close();
      throw error;
    });
    const jobs = new Jobs(data, registry, { executor, networks }, policy, log);
    for (const job of registry.finished()) jobs.#repairState(job);
    await Promise.all(
      registry.running().map((job) => executor.adopt(String(job.id), job.folder, () => jobs.#conclude(job))),
    );
    return jobs;
  }

  /** Resolves when the command has been exec'd. Throws InvalidRequest and its kin before `accepted`, StartFailed after. */
  async start(caller: Caller, wanted: NewJob, accepted: (id: number) => void): Promise<Job> {
    refuseViewer(caller);
    const start = () => this.#start(caller, wanted, accepted);
    return wanted.repeatable === null ? start() : this.#repeatable.once(caller.user, wanted.repeatable, start);
  }

  async #start(caller: Caller, wanted: NewJob, accepted: (id: number) => void): Promise<Job> {
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
    const request = applyPolicy(wanted.request, this.#policy, caller.user);
    const checked = this.#executor.check(request, seccompChoice(caller, wanted.seccomp), "podium");
    refuseMoved(request, checked.spec);
    refuseCapabilities(this.#policy.capabilities, caller.user, checked.spec);
    const network = await this.#networks.acquire(wanted.network, checked.spec.hostname);
    const job = this.#accept(caller, wanted, checked, network);
    accepted(job.id);
    await this.#launch(job, { ...checked, spec: this.#networks.within(checked.spec, network) });
    return job;
  }

  #accept(caller: Caller, wanted: NewJob, checked: CheckedJob, network: JobNetwork | null): Job {
    try {
      const job = this.#registry.create((id) => metaOf(id, caller, wanted, checked), caller.user, wanted.name);
      job.network = network;
      return job;
    } catch (error) {
      if (network !== null) this.#networks.release(network);
      throw error;
    }
  }

  async #launch(job: Job, checked: CheckedJob): Promise<void> {
    const fields = { job: job.id, user: job.meta.user };
    try {
      if (job.network !== null) keepNetwork(job.folder, job.network); // the next server is told what to keep
      const started = await this.#executor.start(String(job.id), job.folder, checked, () => this.#conclude(job));
      Object.assign(job, { pid: started.pid, startedAtMs: started.startedAtMs });
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
      throw new Error(`${failure.message}; and its record cannot be written: ${(error as Error).message}`);
    }
    this.#conclude(job);
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
    job.finish(exit);
    this.#log.info({ ...fields, cause: exit.cause, exitCode: exit.exitCode }, "ended");
  }

  /** `state` is not synced to the disk as the record is: after a power cut it may be of before, or empty. */
  #repairState(job: Job): void {
    if (job.outcome === null || ["COMPLETED", "FAILED"].includes(readState(job.folder))) return;
    this.#executor.record(job.folder, job.outcome);
  }

  /** The state file changes a moment before its supervisor is gone: who has read it is not told otherwise. */
  #current(job: Job): Job {
    if (job.outcome === null && job.pid !== 0 && readState(job.folder) !== "RUNNING") this.#conclude(job);
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
    const control = await this.#controlOf(job, aborted);
    control?.stop({ signal, graceMs: how.graceMs, by: caller.user });
    await this.untilEnded(job, aborted);
    control?.close();
  }

  /** Throws Interrupted when the signal is aborted before. */
  async untilEnded(job: Job, aborted: AbortSignal): Promise<void> {
    await job.ended(aborted);
    if (job.outcome === null) throw new Interrupted();
  }

  /** A job that was accepted a moment ago has no supervisor yet; one that is over has none any more. */
  async #controlOf(job: Job, aborted: AbortSignal): Promise<JobControl | null> {
    while (job.outcome === null && !aborted.aborted) {
      const control = await this.#executor.control(job.folder);
      if (control !== null) return control;
      await setTimeout(startupLookMs);
    }
    return null;
  }

  remove(caller: Caller, id: bigint): void {
    const job = this.find(caller, id);
    refuseViewer(caller);
    this.#registry.remove(job);
    this.#log.info({ job: job.id, user: caller.user }, "removed");
  }

  /** The way to a running job's stdin and signals; null when it is over. */
  async control(caller: Caller, id: bigint, aborted: AbortSignal): Promise<JobControl | null> {
    const job = this.find(caller, id);
    refuseViewer(caller);
    return this.#controlOf(job, aborted);
  }

  /** Whether a target is reachable from inside a running job. Throws InvalidRequest, NotRunning. */
  async netcheck(caller: Caller, id: bigint, target: string, timeoutMs: number) {
    const job = this.find(caller, id);
    refuseViewer(caller);
    if (job.outcome !== null || job.pid === 0) throw new NotRunning(job.id);
    const [answer] = await Promise.allSettled([this.#networks.netcheck(job.pid, target, timeoutMs)]);
    // Its pid may have become another's: then whatever was asked says nothing.
    if (this.#current(job).outcome !== null) throw new NotRunning(job.id);
    if (answer.status === "rejected") throw answer.reason;
    return answer.value;
  }

  /** Live while the job runs, the final figures after. */
  usage(job: Job): Usage {
    const none = { cpuSeconds: 0, memoryBytes: 0, memoryPeakBytes: 0, pids: 0 };
    return job.outcome?.usage ?? this.#executor.usage(String(job.id)) ?? none;
  }

  /** Lets running jobs run on. */
  async close(): Promise<void> {
    try {
      this.#registry.close();
    } finally {
      await this.#executor.close();
      await this.#networks.close();
    }
  }
}

function refuseViewer(caller: Caller): void {
  if (caller.role === "viewer")
    throw new NotAllowed("a podium:viewer certificate reads jobs and logs and changes nothing");
}

function seccompChoice(caller: Caller, text: string) {
  if (text === "" || text === "default") return { kind: "default" } as const;
  if (text !== "unconfined") return { kind: "text", text } as const;
  if (caller.role === "admin") return { kind: "unconfined" } as const;
  throw new NotAllowed("seccomp: unconfined is for podium:admin certificates");
}

function metaOf(id: number, caller: Caller, wanted: NewJob, { spec }: CheckedJob) {
  return {
    id,
    name: wanted.name,
    labels: wanted.labels,
    user: caller.user,
    createdAtMs: Date.now(),
    command: spec.argv,
    limits: spec.limits,
    capabilities: spec.capabilities,
    timeoutMs: spec.timeoutMs,
    output: spec.output,
    stdin: spec.stdin === "stream",
    ...(wanted.repeatable && { requestId: wanted.repeatable.id, requestDigest: wanted.repeatable.digest }),
  };
}

function startFailedRecord(job: Job, { step, errno, message }: StepFailed): ExitRecord {
  return { ...lostRecord(job), cause: "START_FAILED", message, step, errno };
}
