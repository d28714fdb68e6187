// Copies between this machine and a job, for `cp`, `--upload` and `--download`: what was left out is told, how far it is shown
// on a terminal.
import { closeSync } from "node:fs";
import { landingOf, topOf } from "../../sandbox/tree/landing.ts";
import { openFolder, packTree } from "../../sandbox/tree/pack.ts";
import { Unpacker } from "../../sandbox/tree/unpack.ts";
import { formatSize } from "../../sandbox/units.ts";
import type { Podium } from "../client/connect.ts";
import { filesOf, putFiles, uploadFolder } from "../client/files.ts";
import type { FilePiece } from "../jobs/kept-files.ts";
import { CliError, tell } from "./failure.ts";

const showEveryMs = 200;

/** On a terminal one line that is written over; else nothing. */
class Meter {
  readonly #what: string;
  #shownAt = 0;
  #bytes = 0;
  #isShown = false;

  constructor(what: string) {
    this.#what = what;
  }

  readonly progress = (bytes: number): void => {
    this.#bytes = bytes;
    const now = performance.now();
    if (!process.stderr.isTTY || now - this.#shownAt < showEveryMs) return;
    this.#shownAt = now;
    this.#show();
  };

  readonly note = (text: string): void => {
    this.end();
    tell(`${this.#what}: ${text}`);
  };

  #show(): void {
    process.stderr.write(`\r\x1b[K${this.#what}: ${formatSize(this.#bytes)}`);
    this.#isShown = true;
  }

  end(): void {
    if (!this.#isShown) return;
    this.#show();
    process.stderr.write("\n");
    this.#isShown = false;
  }
}

/** `--upload DIR`: gives the upload's id. */
export async function upload(podium: Podium, path: string, signal?: AbortSignal): Promise<string> {
  const meter = new Meter("upload");
  try {
    return await uploadFolder(podium, path, { note: meter.note, progress: meter.progress, signal });
  } catch (error) {
    throw localFailure(`--upload ${path}`, error);
  } finally {
    meter.end();
  }
}

/** Says whether somebody wants podium to end. */
type Interrupted = () => boolean;

/** What is in a folder of this machine, into the work folder of a sandbox of this machine. */
export async function uploadHere(path: string, work: string, owner: number, interrupted: Interrupted): Promise<void> {
  const meter = new Meter("upload");
  try {
    const folder = openFolder(path);
    const { note } = meter;
    const unpacker = new Unpacker({ folder: work, top: "", links: "any", owner, maxBytes: 0, maxEntries: 0, note });
    try {
      for await (const piece of unlessInterrupted(packTree(folder, ".", "files", note), interrupted)) {
        unpacker.push(piece);
        meter.progress(unpacker.bytes);
      }
      unpacker.finish();
    } finally {
      unpacker.close();
      closeSync(folder);
    }
  } catch (error) {
    throw localFailure(`--upload ${path}`, error);
  } finally {
    meter.end();
  }
}

/** A job's file or folder `source`, to `target` on this machine, as cp(1) would put it. */
export async function copyFromJob(podium: Podium, id: bigint, source: string, target: string): Promise<void> {
  const landing = new LandingCopy(`${id}:${source}`, source, target);
  try {
    for await (const piece of filesOf(podium, id, source, landing.note)) landing.push(piece);
    landing.finish();
  } catch (error) {
    throw localFailure(target, error);
  } finally {
    landing.close();
  }
}

/** The same out of the work folder of a sandbox of this machine. */
export async function copyFromHere(
  pieces: Iterable<FilePiece>,
  source: string,
  target: string,
  interrupted: Interrupted,
): Promise<void> {
  const landing = new LandingCopy(source, source, target);
  try {
    for await (const piece of unlessInterrupted(pieces, interrupted)) {
      if ("note" in piece) landing.note(piece.note);
      else landing.push(piece.tar);
    }
    landing.finish();
  } catch (error) {
    throw localFailure(target, error);
  } finally {
    landing.close();
  }
}

/** Lets signals come in between. */
async function* unlessInterrupted<T>(pieces: Iterable<T>, interrupted: Interrupted): AsyncGenerator<T> {
  let breath = performance.now();
  for (const piece of pieces) {
    yield piece;
    if (performance.now() - breath < showEveryMs) continue;
    await new Promise(setImmediate);
    if (interrupted()) throw new CliError("interrupted");
    breath = performance.now();
  }
}

/** A tar stream that comes in pieces, on its way to where cp(1) would put it. */
class LandingCopy {
  readonly #source: string;
  readonly #target: string;
  readonly #meter: Meter;
  #bytes = 0;
  #unpacker: Unpacker | null = null;

  constructor(what: string, source: string, target: string) {
    this.#meter = new Meter(what);
    this.#source = source;
    this.#target = target;
  }

  readonly note = (text: string): void => this.#meter.note(text);

  /** Only with the first piece is it known that there is something to copy. */
  push(piece: Buffer): void {
    this.#unpacker ??= this.#open();
    this.#unpacker.push(piece);
    this.#bytes += piece.length;
    this.#meter.progress(this.#bytes);
  }

  #open(): Unpacker {
    const { name, onlyContents } = topOf(this.#source);
    const landing = landingOf(this.#target, Buffer.from(name).toString("latin1"), onlyContents);
    return new Unpacker({ ...landing, links: "inside", maxBytes: 0, maxEntries: 0, note: this.note });
  }

  finish(): void {
    this.#unpacker?.finish();
  }

  close(): void {
    this.#meter.end();
    this.#unpacker?.close();
  }
}

/** A file or folder of this machine into a job, as cp(1) would put it. */
export async function copyIntoJob(podium: Podium, source: string, id: bigint, target: string): Promise<void> {
  const meter = new Meter(source);
  const { name, onlyContents } = topOf(source);
  try {
    const place = { id, path: target, name: onlyContents ? "" : name };
    await putFiles(podium, source, place, { note: meter.note, progress: meter.progress });
  } catch (error) {
    throw localFailure(source, error);
  } finally {
    meter.end();
  }
}

/** Errors of files say EACCES and a path of ours; say what was being done. */
function localFailure(what: string, error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return error;
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "there is no such file or folder",
    ENOTDIR: "is not a folder",
    EACCES: "permission denied",
    ENOSPC: "the disk is full",
  };
  return new CliError(`${what}: ${reasons[code ?? ""] ?? `${syscall}: ${code}`}`);
}
