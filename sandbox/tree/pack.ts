// From a tree of files to a tar stream, in pieces, on the reader's demand. Whoever filled the tree may mean harm, and may be at
// it while it is read: each step goes one name down from an open folder and follows no link (what openat(2) with O_NOFOLLOW
// is), and nothing is opened that could hold us up. It runs in clients, in the server, and after a fork inside jobs.
import { closeSync, constants, fstatSync, lstatSync, opendirSync, openSync, readlinkSync, readSync } from "node:fs";
import { type Entry, encodeEntry, paddingOf, tarEnd } from "./tar.ts";

const pieceBytes = 64 << 10;
/** Each level holds a descriptor. */
const deepest = 128;
const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/** Hears what was left out, in one sentence each. */
export type Note = (text: string) => void;

/** What was asked for is nothing that can be sent. */
export class PackError extends Error {
  override readonly name = "PackError";
}

/** Opens a folder for `packTree`; links on the way are followed, in it is none. */
export function openFolder(path: string): number {
  return openSync(path, O_RDONLY | O_DIRECTORY);
}

/** Opens what lies below an open folder, by a path without `..`; ELOOP or ENOTDIR for a link on the way. Byte strings. */
export function openFolderBelow(folder: number, path: string): number {
  let at = openSync(`/proc/self/fd/${folder}/.`, O_RDONLY | O_DIRECTORY);
  for (const name of path.split("/").filter((part) => part !== "" && part !== ".")) {
    try {
      const next = openSync(below(at, name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      closeSync(at);
      at = next;
    } catch (error) {
      closeSync(at);
      throw error;
    }
  }
  return at;
}

/** `name` in an open folder, as a path; `name` is a byte string of one component. */
function below(folder: number, name: string): Buffer {
  return Buffer.from(`/proc/self/fd/${folder}/${name}`, "latin1");
}

/**
 * Packs `name` of an open folder (`.`: the folder itself) with all below it; the stream calls it `asName`. What is neither
 * file, folder nor link, or cannot be read, is left out and noted. Throws when the top itself cannot be had.
 */
export function* packTree(
  folder: number,
  name: string,
  asName: string,
  note: Note,
): Generator<Buffer, void, undefined> {
  yield* new Packer(note).entry({ folder, name, path: asName, depth: 0 });
  yield tarEnd;
}

interface Place {
  readonly folder: number;
  readonly name: string;
  /** In the stream. */
  readonly path: string;
  readonly depth: number;
}

class Packer {
  readonly #note: Note;

  constructor(note: Note) {
    this.#note = note;
  }

  *entry(place: Place): Generator<Buffer, void, undefined> {
    const stat = lstatSync(below(place.folder, place.name === "." ? "./." : place.name));
    const common = { path: place.path, mode: stat.mode & 0o777, mtimeSeconds: Math.floor(stat.mtimeMs / 1000) };
    if (stat.isDirectory()) yield* this.#folder(place, { ...common, kind: "folder", size: 0, target: "" });
    else if (stat.isFile()) yield* this.#file(place, common);
    else if (stat.isSymbolicLink()) {
      const target = readlinkSync(below(place.folder, place.name), { encoding: "buffer" }).toString("latin1");
      yield encodeEntry({ ...common, mode: 0o777, kind: "link", size: 0, target });
    } else this.#leaveOut(place, "is a FIFO, a socket or a device");
  }

  *#folder(place: Place, entry: Entry): Generator<Buffer, void, undefined> {
    if (place.depth === deepest) return this.#leaveOut(place, `is more than ${deepest} folders deep`);
    const folder = openSync(below(place.folder, place.name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      yield encodeEntry(entry);
      yield* this.#inside(folder, place);
    } finally {
      closeSync(folder);
    }
  }

  *#inside(folder: number, { path, depth }: Place): Generator<Buffer, void, undefined> {
    const directory = opendirSync(`/proc/self/fd/${folder}/.`, { encoding: "latin1" });
    try {
      for (let found = directory.readSync(); found !== null; found = directory.readSync()) {
        const inner = { folder, name: found.name, path: `${path}/${found.name}`, depth: depth + 1 };
        try {
          yield* this.entry(inner);
        } catch (error) {
          this.#leaveOut(inner, reasonOf(error));
        }
      }
    } finally {
      directory.closeSync();
    }
  }

  *#file(place: Place, common: Omit<Entry, "kind" | "size" | "target">): Generator<Buffer, void, undefined> {
    // O_NONBLOCK: what was a file a moment ago may be a FIFO now.
    const fd = openSync(below(place.folder, place.name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile()) return this.#leaveOut(place, "is no file any more");
      yield encodeEntry({ ...common, kind: "file", size: stat.size, target: "" });
      yield* this.#content(fd, stat.size, place);
    } finally {
      closeSync(fd);
    }
  }

  /** As many bytes as the header said, whatever happens to the file meanwhile. */
  *#content(fd: number, size: number, place: Place): Generator<Buffer, void, undefined> {
    let sent = 0;
    while (sent < size) {
      const piece = Buffer.allocUnsafe(Math.min(pieceBytes, size - sent));
      const read = readOrNothing(fd, piece);
      if (read === 0) break;
      sent += read;
      yield piece.subarray(0, read);
    }
    if (sent < size) this.#note(`${shown(place.path)}: became shorter while it was read; its end is zeros`);
    for (let left = size - sent + paddingOf(size); left > 0; left -= pieceBytes) {
      yield Buffer.alloc(Math.min(left, pieceBytes));
    }
  }

  /** The top itself is all there was to send. */
  #leaveOut({ path, depth }: Place, reason: string): void {
    if (depth === 0) throw new PackError(`${shown(path)}: ${reason}`);
    this.#note(`${shown(path)}: left out: ${reason}`);
  }
}

/** The header has gone out: a read that fails cannot take it back. */
function readOrNothing(fd: number, into: Buffer): number {
  try {
    return readSync(fd, into, 0, into.length, null);
  } catch {
    return 0;
  }
}

function reasonOf(error: unknown): string {
  return (error as { code?: string }).code ?? (error as Error).message;
}

/** A byte string as text for people. */
export function shown(path: string): string {
  return Buffer.from(path, "latin1").toString("utf8");
}
