// From a tar stream to a tree of files. Whoever made the stream may mean harm: nothing is written outside the one place that
// was asked for, through no link that is or comes there, and what is made is files, folders and links alone.
import {
  chmodSync,
  closeSync,
  constants,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import type { Note } from "./pack.ts";
import { shown } from "./pack.ts";
import { type Entry, TarError } from "./tar.ts";
import { TarReader, type TarSink } from "./tar-reader.ts";

export interface UnpackOptions {
  /** An existing folder. */
  readonly folder: string;
  /** What the top of the stream is to be called in it; "": what is in the top goes right into the folder. */
  readonly top: string;
  /** `inside`: a link that leads out of the tree is left out. `any`: only where nobody follows it but its own job. */
  readonly links: "inside" | "any";
  /** Owner of all that is made; the own user when absent. */
  readonly owner?: number;
  /** 0 = no bound. */
  readonly maxBytes: number;
  readonly maxEntries: number;
  readonly note: Note;
}

/** The stream holds more than may be written. */
export class TooMuch extends Error {
  override readonly name = "TooMuch";
}

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

/** Takes the stream in pieces. Whatever it throws, what was made until then stays. */
export class Unpacker {
  readonly #tree: TreeWriter;
  readonly #reader: TarReader;

  constructor(options: UnpackOptions) {
    this.#tree = new TreeWriter(options);
    this.#reader = new TarReader(this.#tree);
  }

  get bytes(): number {
    return this.#tree.bytes;
  }

  get entries(): number {
    return this.#tree.entries;
  }

  push(chunk: Buffer): void {
    this.#reader.push(chunk);
  }

  /** Whatever came or not: nothing stays open. */
  close(): void {
    this.#tree.close();
  }

  /** After the last piece. Throws TarError when the end is missing: the sender broke off. */
  finish(): void {
    this.close();
    if (!this.#reader.isComplete) throw new TarError("the stream broke off");
  }
}

class TreeWriter implements TarSink {
  readonly #options: UnpackOptions;
  /** Folders of the tree by their path in the stream; for those made here, what to do when all is in them. */
  readonly #folders = new Map<string, Entry | null>([["", null]]);
  #file: { readonly fd: number; readonly path: Buffer; readonly entry: Entry } | null = null;
  bytes = 0;
  entries = 0;

  constructor(options: UnpackOptions) {
    this.#options = options;
  }

  entry(entry: Entry): void {
    const { maxBytes, maxEntries } = this.#options;
    this.entries++;
    this.bytes += entry.size;
    if (maxEntries > 0 && this.entries > maxEntries) throw new TooMuch(`it has more than ${maxEntries} files`);
    if (maxBytes > 0 && this.bytes > maxBytes) throw new TooMuch(`it is larger than ${maxBytes} bytes`);
    const names = this.#namesOf(entry.path);
    if (names.length === 0) {
      // The folder itself, which is there.
      if (entry.kind !== "folder")
        throw new TarError(`${shown(entry.path)} is no folder, and its contents were asked for`);
      return;
    }
    this.#requireFolder(names.slice(0, -1));
    if (entry.kind === "folder") this.#makeFolder(names, entry);
    else if (entry.kind === "link") this.#makeLink(names, entry);
    else this.#openFile(names, entry);
  }

  content(bytes: Buffer): void {
    for (let at = 0; this.#file !== null && at < bytes.length; ) at += writeSync(this.#file.fd, bytes, at);
  }

  entryEnd(): void {
    const file = this.#file;
    if (file === null) return;
    this.#file = null;
    closeSync(file.fd);
    utimesSync(file.path, file.entry.mtimeSeconds, file.entry.mtimeSeconds);
  }

  foreign(path: string): void {
    this.entries++;
    this.#options.note(`${shown(path)}: left out: neither file, folder nor link`);
  }

  /** Folders get their mode and time when nothing more comes into them, the innermost first. */
  close(): void {
    if (this.#file !== null) closeSync(this.#file.fd);
    this.#file = null;
    for (const [key, entry] of [...this.#folders].reverse()) {
      if (entry === null) continue;
      this.#folders.set(key, null);
      const path = this.#pathOf(key === "" ? [] : key.split("/"));
      chmodSync(path, entry.mode);
      utimesSync(path, entry.mtimeSeconds, entry.mtimeSeconds);
    }
  }

  /** Components below the folder of the options. Throws TarError for a path that could lead out of it. */
  #namesOf(path: string): string[] {
    const [first, ...rest] = path.replace(/\/+$/, "").split("/");
    const names = this.#options.top === "" ? rest : [this.#options.top, ...rest];
    const isSafe = (name: string) => name !== "" && name !== "." && name !== ".." && !name.includes("\0");
    if (first !== "" && first !== ".." && names.every(isSafe)) return names;
    throw new TarError(`${JSON.stringify(shown(path))} in the stream would lead out of the folder`);
  }

  #pathOf(names: readonly string[]): Buffer {
    const inner = Buffer.from(names.map((name) => `/${name}`).join(""), "latin1");
    return Buffer.concat([Buffer.from(this.#options.folder), inner]);
  }

  /** Each folder on the way is a real one: made here, or found to be no link. */
  #requireFolder(names: readonly string[]): void {
    const key = names.join("/");
    if (this.#folders.has(key)) return;
    if (!lstatSync(this.#pathOf(names)).isDirectory())
      throw new TarError(`${shown(key)}: is no folder, or a link to one`);
    this.#folders.set(key, null);
  }

  #makeFolder(names: readonly string[], entry: Entry): void {
    const path = this.#pathOf(names);
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found !== undefined) {
      if (!found.isDirectory()) throw new TarError(`${shown(names.join("/"))}: is there already, and no folder`);
      return;
    }
    mkdirSync(path, 0o700);
    this.#own(path);
    this.#folders.set(names.join("/"), entry);
  }

  #makeLink(names: readonly string[], { target }: Entry): void {
    const { links, top, note } = this.#options;
    const depth = Math.max(0, names.length - (top === "" ? 1 : 2)); // how often it may climb
    if (links === "inside" && !staysInside(target, depth)) {
      note(`${shown(names.join("/"))}: left out: a link that leads elsewhere (${shown(target)})`);
      return;
    }
    const path = this.#pathOf(names);
    this.#makeRoom(path, names);
    symlinkSync(Buffer.from(target, "latin1"), path);
    this.#own(path);
  }

  #openFile(names: readonly string[], entry: Entry): void {
    const path = this.#pathOf(names);
    this.#makeRoom(path, names);
    const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    this.#file = { fd, path, entry };
    this.#own(path);
    chmodSync(path, entry.mode);
  }

  /** What is there is replaced, never written into: it may be a link, or have other names. */
  #makeRoom(path: Buffer, names: readonly string[]): void {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) return;
    if (found.isDirectory()) throw new TarError(`${shown(names.join("/"))}: is there already, and a folder`);
    unlinkSync(path);
  }

  #own(path: Buffer): void {
    const { owner } = this.#options;
    if (owner !== undefined) lchownSync(path, owner, owner);
  }
}

/**
 * Whether a link `depth` folders below the top stays within the tree, by its words alone: no `..` after a name, since that
 * name may be a link to anywhere inside.
 */
function staysInside(target: string, depth: number): boolean {
  const parts = target.split("/").filter((part) => part !== "" && part !== ".");
  const ups = parts.findIndex((part) => part !== "..");
  const climbs = ups < 0 ? parts.length : ups;
  return !target.startsWith("/") && target !== "" && climbs <= depth && !parts.slice(climbs).includes("..");
}
