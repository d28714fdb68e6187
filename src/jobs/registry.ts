// All jobs of a DATA that this server knows, by id and by each user's names.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ExitRecord } from "../../sandbox/spec.ts";
import { bootId } from "./boot.ts";
import type { Data } from "./data.ts";
import { NameTaken, NoSuchJob, StillRunning } from "./errors.ts";
import {
  createJobFolder,
  isHalfMade,
  isQueued,
  type JobMeta,
  listJobIds,
  readExit,
  readMeta,
  readNetwork,
  readStart,
  removeJobFolder,
  rewriteMeta,
} from "./folder.ts";
import { JobIds } from "./ids.ts";
import { Job } from "./job.ts";
import { ReadyFolders } from "./ready-folders.ts";
import { discardTree } from "./trash.ts";
import { workOf } from "./work.ts";

/** Who asks: users see their own jobs, admins and viewers all. */
export interface Viewer {
  readonly user: string;
  readonly seesAll: boolean;
}

export class Registry {
  readonly #data: Data;
  readonly #ids: JobIds;
  readonly #ready: ReadyFolders;
  readonly #jobs = new Map<number, Job>();
  readonly #names = new Map<string, number>();
  readonly #requests = new Map<string, Job>();
  /** Folders of jobs that ran, of which nobody knows any more what was asked for. */
  readonly unreadable: string[] = [];

  /** Reads every job folder. Folders that a crash left half made, before their id was told to anybody, are removed. */
  constructor(data: Data) {
    this.#data = data;
    const ids = listJobIds(data.jobs);
    this.#ids = new JobIds(join(data.path, "last-id"), ids.at(-1) ?? 0);
    for (const id of ids) this.#read(id);
    this.#ready = new ReadyFolders(data.readyFolders);
  }

  #read(id: number): void {
    const folder = this.#folderOf(id);
    const meta = currentMeta(folder);
    if (meta === null) {
      if (isHalfMade(folder)) this.#removeFolder(folder);
      else this.unreadable.push(folder);
      return;
    }
    const job = this.#add(new Job(meta, folder));
    Object.assign(job, readStart(folder), { network: readNetwork(folder) });
    const exit = readExit(folder);
    job.elsewhere = (meta.data ?? this.#data.id) !== this.#data.id;
    if (exit !== null) job.finish(exit);
    else job.queued = isQueued(folder) && !job.elsewhere;
  }

  /** Accepts a job: id, folder and name. Throws NameTaken; on any failure nothing is left. */
  create(describe: (id: number) => JobMeta, user: string, name: string, queued: object | null = null): Job {
    const taken = name === "" ? undefined : this.#names.get(nameKey(user, name));
    if (taken !== undefined) throw new NameTaken(name, taken);
    const id = this.#ids.take();
    const job = new Job({ ...describe(id), data: this.#data.id }, this.#folderOf(id));
    createJobFolder(job.folder, job.meta, queued, this.#ready);
    return this.#add(job);
  }

  /** The job, if this viewer may see it. Throws NoSuchJob alike for unknown ones and for those of others. */
  find(id: bigint, viewer: Viewer): Job {
    const job = this.#jobs.get(Number(id));
    if (job === undefined || BigInt(job.id) !== id || !maySee(job, viewer)) throw new NoSuchJob(id);
    return job;
  }

  /** The user's job that was started with this request id. */
  byRequestId(user: string, requestId: string): Job | undefined {
    return this.#requests.get(nameKey(user, requestId));
  }

  /** In the order of ids. */
  list(viewer: Viewer): Job[] {
    return [...this.#jobs.values()].filter((job) => maySee(job, viewer));
  }

  /** Forgets a finished job and removes its folder. Throws StillRunning. */
  remove(job: Job): void {
    if (this.#jobs.get(job.id) !== job) return; // somebody was faster
    if (job.outcome === null) throw new StillRunning(job.id);
    this.discard(job);
  }

  /** Forgets a job of which nothing runs, whatever its record says. */
  discard(job: Job): void {
    this.#jobs.delete(job.id);
    const { user, name, requestId } = job.meta;
    if (name !== "") this.#names.delete(nameKey(user, name));
    if (requestId !== undefined) this.#requests.delete(nameKey(user, requestId));
    this.#removeFolder(job.folder);
  }

  /** A work folder may hold anything; the rest is a handful of files. */
  #removeFolder(folder: string): void {
    if (existsSync(workOf(folder))) discardTree(this.#data, folder);
    else removeJobFolder(folder);
  }

  all(): Job[] {
    return [...this.#jobs.values()];
  }

  running(): Job[] {
    return [...this.#jobs.values()].filter((job) => job.outcome === null && !job.queued);
  }

  /** In the order in which they were accepted. */
  queued(): Job[] {
    return [...this.#jobs.values()].filter((job) => job.queued);
  }

  finished(): Job[] {
    return [...this.#jobs.values()].filter((job) => job.outcome !== null);
  }

  async close(): Promise<void> {
    try {
      this.#ids.close();
    } finally {
      await this.#ready.close();
    }
  }

  #add(job: Job): Job {
    this.#jobs.set(job.id, job);
    const { user, name, requestId } = job.meta;
    if (name !== "") this.#names.set(nameKey(user, name), job.id);
    if (requestId !== undefined) this.#requests.set(nameKey(user, requestId), job);
    return job;
  }

  #folderOf(id: number): string {
    return join(this.#data.jobs, String(id));
  }
}

/** A job that still waits for its start will have it in this boot. null: the folder is half made, or damaged. */
function currentMeta(folder: string): JobMeta | null {
  const meta = readMeta(folder);
  if (meta === null || !isQueued(folder) || meta.boot === bootId) return meta;
  const renewed = { ...meta, boot: bootId };
  rewriteMeta(folder, renewed);
  return renewed;
}

function maySee(job: Job, viewer: Viewer): boolean {
  return viewer.seesAll || job.meta.user === viewer.user;
}

/** A user's name has no space in it. */
function nameKey(user: string, name: string): string {
  return `${user} ${name}`;
}

/** Nothing of it is this server's any more, whoever has its pids and sockets now. */
export function isBeyond(job: Job): boolean {
  return job.elsewhere || isOfAnotherBoot(job);
}

function isOfAnotherBoot({ meta }: Job): boolean {
  return meta.boot !== undefined && meta.boot !== bootId;
}

/** The record of a job whose supervisor ended without one: killed from outside, or the host went down. */
export function lostRecord(job: Job): ExitRecord {
  return {
    cause: "LOST",
    exitCode: null,
    signal: null,
    by: "",
    message: whyLost(job),
    step: "",
    errno: "",
    startedAtMs: job.startedAtMs,
    finishedAtMs: Date.now(),
    usage: { cpuSeconds: 0, memoryBytes: 0, memoryPeakBytes: 0, pids: 0 },
  };
}

function whyLost(job: Job): string {
  if (job.killedBecause !== "") return job.killedBecause;
  if (job.elsewhere) return "it was started in the DATA that this one is a copy of";
  if (isOfAnotherBoot(job)) return "the host was restarted while it ran";
  if (job.pid === 0) return "the server ended while it was being started, and its command never ran";
  return "its supervisor ended without a record: it was killed on the host";
}
