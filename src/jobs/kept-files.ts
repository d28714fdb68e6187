// Reading what a job has left in its work folder. The job has ended: nobody writes in it any more.
import { closeSync } from "node:fs";
import { posix } from "node:path";
import { topOf } from "../../sandbox/tree/landing.ts";
import { openFolder, openFolderBelow, PackError, packTree } from "../../sandbox/tree/pack.ts";
import { coalesced } from "../../sandbox/tree/pieces.ts";
import { InvalidRequest, NoSuchFile, NotPossible } from "./errors.ts";
import { Notes } from "./notes.ts";

/** A piece of a tar stream, or a sentence about what was left out of it. */
export type FilePiece = { readonly tar: Buffer } | { readonly note: string };

/** A work folder where it is, and where the job saw it. */
export interface KeptFolder {
  readonly folder: string;
  readonly inside: string;
}

/** `path` as the job would have called it. Throws NoSuchFile, NotPossible, InvalidRequest. */
export function* keptFiles(kept: KeptFolder, path: string): Generator<FilePiece, void, undefined> {
  const notes: string[] = [];
  const inner = Buffer.from(pathInWork(kept.inside, path)).toString("latin1");
  const { folder, name } = openParent(kept.folder, inner, path);
  try {
    const asName = Buffer.from(topOf(path).name).toString("latin1");
    for (const tar of coalesced(packTree(folder, name, asName, new Notes((text) => notes.push(text)).add))) {
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

function fileFailure(error: unknown, path: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return new NoSuchFile(`${path}: there is no such file or folder in the job`);
  if (code === "ENOTDIR" || code === "ELOOP") return new NoSuchFile(`${path}: passes a link or what is no folder`);
  return error instanceof PackError ? new NotPossible(error.message) : error;
}
