// Reading the files of jobs. Of an ended job the work folder is left, and nobody writes in it any more.
import { existsSync } from "node:fs";
import { type CopyPlace, readRunning, writeRunning } from "./copies.ts";
import { Exhausted, NotPossible, NotRunning } from "./errors.ts";
import type { Job } from "./job.ts";
import type { Caller } from "./jobs.ts";
import { type FilePiece, keptFiles } from "./kept-files.ts";
import { Notes } from "./notes.ts";
import type { CopyBounds } from "./policy.ts";
import { refuseViewer } from "./roles.ts";
import { type Uploaded, type WorkFolders, workOf } from "./work.ts";

/** Where a copy goes in a job. */
interface Target {
  readonly path: string;
  /** What it is called where `path` is a folder; "": only what is in the top of the stream is meant. */
  readonly name: string;
}

/** The part of `Jobs` that files need. */
interface JobFinder {
  find(caller: Caller, id: bigint): Job;
}

export class JobFiles {
  readonly #jobs: JobFinder;
  readonly #work: WorkFolders;
  readonly #bounds: CopyBounds;
  readonly #cgroup: CopyPlace["cgroup"];

  constructor(jobs: JobFinder, work: WorkFolders, bounds: CopyBounds, cgroup: CopyPlace["cgroup"]) {
    this.#cgroup = cgroup;
    this.#jobs = jobs;
    this.#work = work;
    this.#bounds = bounds;
  }

  /** Takes a folder for the work folder of a later Start. */
  async upload(caller: Caller, pieces: AsyncIterable<Buffer>): Promise<Uploaded> {
    refuseViewer(caller);
    return this.#work.receive(caller.user, pieces);
  }

  /** A job's file or folder as a tar stream. Throws NoSuchFile, NotPossible, Exhausted. */
  async *read(caller: Caller, id: bigint, path: string, signal: AbortSignal): AsyncGenerator<FilePiece> {
    const job = this.#jobs.find(caller, id);
    if (job.outcome !== null) return yield* keptOf(job, path, this.#bounds);
    refuseViewer(caller);
    let bytes = 0;
    for await (const event of readRunning(this.#placeOf(job, path), signal)) {
      if ("done" in event) return;
      if ("tar" in event) bytes += event.tar.length;
      checkSize(bytes, this.#bounds);
      yield event;
    }
  }

  /** Writes a tar stream into a running job. Throws NotRunning, NoSuchFile, NotPossible, Exhausted, InvalidRequest. */
  async write(caller: Caller, id: bigint, { path, name }: Target, pieces: AsyncIterable<Buffer>, signal: AbortSignal) {
    const job = this.#jobs.find(caller, id);
    refuseViewer(caller);
    const notes: string[] = [];
    const { add } = new Notes((text) => notes.push(text));
    const landing = { name, maxBytes: this.#bounds.bytes, maxEntries: this.#bounds.files };
    for await (const event of writeRunning(this.#placeOf(job, path), landing, pieces, signal)) {
      if ("note" in event) add(event.note);
      else if ("done" in event) return { ...event.done, notes };
    }
    throw new NotRunning(job.id);
  }

  #placeOf(job: Job, path: string): CopyPlace {
    if (job.outcome !== null || job.pid === 0) throw new NotRunning(job.id);
    return { cgroup: this.#cgroup, job, path };
  }
}

function* keptOf(job: Job, path: string, bounds: CopyBounds): Generator<FilePiece, void, undefined> {
  const { work: inside } = job.meta;
  const folder = workOf(job.folder);
  if (inside === undefined || !existsSync(folder)) {
    throw new NotPossible(
      `job ${job.id} has ended and kept no files; start it with --upload or --download to keep some`,
    );
  }
  let bytes = 0;
  for (const piece of keptFiles({ folder, inside }, path)) {
    if ("tar" in piece) bytes += piece.tar.length;
    checkSize(bytes, bounds);
    yield piece;
  }
}

/** A sparse file of a terabyte costs its maker nothing. */
function checkSize(bytes: number, { bytes: most }: CopyBounds): void {
  if (most > 0 && bytes > most) throw new Exhausted(`path: it is larger than ${most} bytes, this server's bound`);
}
