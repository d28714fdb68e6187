// Work folders: `jobs/<id>/work`, which is the cwd of a job that was started with an upload or is to leave results behind. It
// is shown in the job writable, belongs on disk to an id that nobody has, and stays until the job is removed. An upload waits
// in `uploads/` for the one Start that names it; nothing of a job runs before its upload is whole.
import { randomUUID } from "node:crypto";
import { chownSync, mkdirSync, readdirSync, realpathSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { JobRequest } from "../../sandbox/request.ts";
import type { SandboxSpec } from "../../sandbox/spec.ts";
import { TarError } from "../../sandbox/tree/tar.ts";
import { TooMuch, Unpacker } from "../../sandbox/tree/unpack.ts";
import type { Data } from "./data.ts";
import { Exhausted, InvalidRequest } from "./errors.ts";
import { Notes } from "./notes.ts";
import type { CopyBounds } from "./policy.ts";
import { discardTree } from "./trash.ts";
import { firstKeptId, standInFor, withWorkFolder } from "./work-grant.ts";

/** An upload that no Start has named by then is removed. */
const waitsMs = 10 * 60_000;
const waitingAtMost = 8;

/** What a Start asks for: a work folder, filled with this upload; "" for an empty one. */
export interface WorkWanted {
  readonly upload: string;
}

interface Upload {
  readonly user: string;
  readonly folder: string;
  readonly timer: NodeJS.Timeout;
}

export interface Uploaded {
  readonly id: string;
  readonly bytes: number;
  readonly entries: number;
  readonly notes: readonly string[];
}

export class WorkFolders {
  readonly #data: Data;
  readonly #bounds: CopyBounds;
  readonly #uploads = new Map<string, Upload>();

  /** What an earlier server left waiting is removed: nobody can name it any more. */
  constructor(data: Data, bounds: CopyBounds) {
    this.#data = data;
    this.#bounds = bounds;
    for (const name of readdirSync(data.uploads)) discardTree(data, join(data.uploads, name));
  }

  /** Takes an upload whole, or leaves nothing of it. Throws InvalidRequest, Exhausted. */
  async receive(user: string, pieces: AsyncIterable<Buffer>): Promise<Uploaded> {
    const waiting = [...this.#uploads.values()].filter((upload) => upload.user === user).length;
    if (waiting >= waitingAtMost) throw new Exhausted(`tar: ${waiting} uploads of yours wait for their Start already`);
    const id = randomUUID();
    const folder = join(this.#data.uploads, id);
    makeWork(folder);
    try {
      const uploaded = await unpack(folder, this.#bounds, pieces);
      const timer = setTimeout(() => this.#forget(id), waitsMs);
      timer.unref();
      this.#uploads.set(id, { user, folder, timer });
      return { id, ...uploaded };
    } catch (error) {
      discardTree(this.#data, folder);
      throw error;
    }
  }

  /** Throws InvalidRequest when the upload is not there, or another's. */
  check(user: string, { upload }: WorkWanted): void {
    if (upload === "" || this.#uploads.get(upload)?.user === user) return;
    const mend = "it may have waited too long, or the server was restarted: send it again";
    throw new InvalidRequest("work.upload", `there is no upload ${JSON.stringify(upload)} of yours`, mend);
  }

  /** The request with its work folder as the cwd, to be checked like any other grant. */
  prepare(request: JobRequest): JobRequest {
    return standInFor(request, realpathSync(this.#data.jobs)); // the job has no id yet
  }

  /** Makes the work folder of an accepted job: the upload, or an empty one. */
  place(jobFolder: string, { upload }: WorkWanted): void {
    const work = workOf(jobFolder);
    if (upload === "") return makeWork(work);
    renameSync(join(this.#data.uploads, upload), work);
    clearTimeout(this.#uploads.get(upload)?.timer);
    this.#uploads.delete(upload);
  }

  /** What `prepare` made, with the job's own folder in it. */
  within(spec: SandboxSpec, id: number): SandboxSpec {
    return withWorkFolder(spec, workOf(join(spec.grants[0]?.source ?? "", String(id))));
  }

  close(): void {
    for (const id of [...this.#uploads.keys()]) this.#forget(id);
  }

  #forget(id: string): void {
    const upload = this.#uploads.get(id);
    if (upload === undefined) return;
    this.#uploads.delete(id);
    clearTimeout(upload.timer);
    discardTree(this.#data, upload.folder);
  }
}

export function workOf(jobFolder: string): string {
  return join(jobFolder, "work");
}

function makeWork(path: string): void {
  mkdirSync(path, { mode: 0o755 });
  chownSync(path, firstKeptId, firstKeptId);
}

async function unpack(
  folder: string,
  bounds: CopyBounds,
  pieces: AsyncIterable<Buffer>,
): Promise<Omit<Uploaded, "id">> {
  const notes: string[] = [];
  const unpacker = new Unpacker({
    folder,
    top: "",
    links: "any",
    owner: firstKeptId,
    maxBytes: bounds.bytes,
    maxEntries: bounds.files,
    note: new Notes((text) => notes.push(text)).add,
  });
  try {
    for await (const piece of pieces) unpacker.push(piece);
    unpacker.finish();
  } catch (error) {
    if (error instanceof TarError) throw new InvalidRequest("tar", error.message);
    throw error instanceof TooMuch ? new Exhausted(`tar: ${error.message}, this server's bound`) : error;
  }
  return { bytes: unpacker.bytes, entries: unpacker.entries, notes };
}
