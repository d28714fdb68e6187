// Reading the files of jobs. Of an ended job the work folder is left, and nobody writes in it any more.
import { closeSync, existsSync } from "node:fs";
import { posix } from "node:path";
import { topOf } from "../../sandbox/tree/landing.ts";
import { openFolder, openFolderBelow, PackError, packTree } from "../../sandbox/tree/pack.ts";
import { coalesced } from "../../sandbox/tree/pieces.ts";
import { type CopyPlace, readRunning, writeRunning } from "./copies.ts";
import { Exhausted, InvalidRequest, NoSuchFile, NotPossible, NotRunning } from "./errors.ts";
import type { Job } from "./job.ts";
import type { Caller } from "./jobs.ts";
import { Notes } from "./notes.ts";
import type { CopyBounds } from "./policy.ts";
import { refuseViewer } from "./roles.ts";
import { type Uploaded, type WorkFolders, workOf } from "./work.ts";

/** A piece of a tar stream, or a sentence about what was left out of it. */
export type FilePiece = { readonly tar: Buffer } | { readonly note: string };

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
    if (job.outcome !== null) return yield* keptFiles(job, path, this.#bounds);
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

function* keptFiles(job: Job, path: string, bounds: CopyBounds): Generator<FilePiece, void, undefined> {
  const { work } = job.meta;
  if (work === undefined || !existsSync(workOf(job.folder))) {
    throw new NotPossible(
      `job ${job.id} has ended and kept no files; start it with --upload or --download to keep some`,
    );
  }
  const notes: string[] = [];
  const inner = Buffer.from(pathInWork(work, path)).toString("latin1");
  const { folder, name } = openParent(workOf(job.folder), inner, path);
  try {
    const asName = Buffer.from(topOf(path).name).toString("latin1");
    const pieces = coalesced(packTree(folder, name, asName, new Notes((text) => notes.push(text)).add));
    for (const tar of bounded(pieces, bounds)) {
      for (const note of notes.splice(0)) yield { note };
      yield { tar };
    }
    for (const note of notes.splice(0)) yield { note };
  } catch (error) {
    throw fileFailure(error, path);
  } finally {
    closeSync(folder);
  }
}

/** Where the job's path leads, below its work folder; "" is the folder itself. Throws NotPossible for what is not kept. */
function pathInWork(work: string, path: string): string {
  if (path.includes("\0")) throw new InvalidRequest("path", "contains a NUL byte");
  const whole = posix.resolve(work, path);
  if (whole === work) return "";
  if (whole.startsWith(work === "/" ? work : `${work}/`)) return whole.slice(work.length + 1);
  throw new NotPossible(`${path}: the job has ended, and only what is in its work folder ${work} is kept`);
}

function openParent(work: string, inner: string, path: string): { folder: number; name: string } {
  const cut = inner.lastIndexOf("/");
  const top = openFolder(work);
  try {
    return { folder: openFolderBelow(top, inner.slice(0, Math.max(0, cut))), name: inner.slice(cut + 1) || "." };
  } catch (error) {
    throw fileFailure(error, path);
  } finally {
    closeSync(top);
  }
}

function* bounded(pieces: Iterable<Buffer>, bounds: CopyBounds): Generator<Buffer, void, undefined> {
  let bytes = 0;
  for (const piece of pieces) {
    bytes += piece.length;
    checkSize(bytes, bounds);
    yield piece;
  }
}

/** A sparse file of a terabyte costs its maker nothing. */
function checkSize(bytes: number, { bytes: most }: CopyBounds): void {
  if (most > 0 && bytes > most) throw new Exhausted(`path: it is larger than ${most} bytes, this server's bound`);
}

function fileFailure(error: unknown, path: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return new NoSuchFile(`${path}: there is no such file or folder in the job`);
  if (code === "ENOTDIR" || code === "ELOOP") return new NoSuchFile(`${path}: passes a link or what is no folder`);
  return error instanceof PackError ? new NotPossible(error.message) : error;
}
