// Reading the files of jobs. Of an ended job the work folder is left, and nobody writes in it any more.
import { closeSync, existsSync } from "node:fs";
import { posix } from "node:path";
import { topOf } from "../../sandbox/tree/landing.ts";
import { openFolder, openFolderBelow, PackError, packTree } from "../../sandbox/tree/pack.ts";
import { coalesced } from "../../sandbox/tree/pieces.ts";
import { Exhausted, InvalidRequest, NoSuchFile, NotPossible } from "./errors.ts";
import type { Job } from "./job.ts";
import type { Caller } from "./jobs.ts";
import { Notes } from "./notes.ts";
import type { CopyBounds } from "./policy.ts";
import { refuseViewer } from "./roles.ts";
import { type Uploaded, type WorkFolders, workOf } from "./work.ts";

/** A piece of a tar stream, or a sentence about what was left out of it. */
export type FilePiece = { readonly tar: Buffer } | { readonly note: string };

/** The part of `Jobs` that files need. */
interface JobFinder {
  find(caller: Caller, id: bigint): Job;
}

export class JobFiles {
  readonly #jobs: JobFinder;
  readonly #work: WorkFolders;
  readonly #bounds: CopyBounds;

  constructor(jobs: JobFinder, work: WorkFolders, bounds: CopyBounds) {
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
  async *read(caller: Caller, id: bigint, path: string): AsyncGenerator<FilePiece> {
    const job = this.#jobs.find(caller, id);
    if (job.outcome === null) throw new NotPossible(`job ${job.id} is still running`);
    yield* keptFiles(job, path, this.#bounds);
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

/** A sparse file of a terabyte costs its maker nothing. */
function* bounded(pieces: Iterable<Buffer>, { bytes: most }: CopyBounds): Generator<Buffer, void, undefined> {
  let bytes = 0;
  for (const piece of pieces) {
    bytes += piece.length;
    if (most > 0 && bytes > most) throw new Exhausted(`path: it is larger than ${most} bytes, this server's bound`);
    yield piece;
  }
}

function fileFailure(error: unknown, path: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return new NoSuchFile(`${path}: there is no such file or folder in the job`);
  if (code === "ENOTDIR" || code === "ELOOP") return new NoSuchFile(`${path}: passes a link or what is no folder`);
  return error instanceof PackError ? new NotPossible(error.message) : error;
}
