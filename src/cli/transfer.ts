// Copies between this machine and a job, for `cp`, `--upload` and `--download`: what was left out is told, how far it is shown
// on a terminal.
import { landingOf, topOf } from "../../sandbox/tree/landing.ts";
import { Unpacker } from "../../sandbox/tree/unpack.ts";
import { formatSize } from "../../sandbox/units.ts";
import type { Podium } from "../client/connect.ts";
import { filesOf, putFiles, uploadFolder } from "../client/files.ts";
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

/** A job's file or folder `source`, to `target` on this machine, as cp(1) would put it. */
export async function copyFromJob(podium: Podium, id: bigint, source: string, target: string): Promise<void> {
  const meter = new Meter(`${id}:${source}`);
  const { name, onlyContents } = topOf(source);
  let bytes = 0;
  let unpacker: Unpacker | null = null;
  try {
    for await (const piece of filesOf(podium, id, source, meter.note)) {
      // Only now is it known that there is something to copy.
      unpacker ??= new Unpacker({
        ...landingOf(target, Buffer.from(name).toString("latin1"), onlyContents),
        links: "inside",
        maxBytes: 0,
        maxEntries: 0,
        note: meter.note,
      });
      unpacker.push(piece);
      bytes += piece.length;
      meter.progress(bytes);
    }
  } catch (error) {
    throw localFailure(target, error);
  } finally {
    meter.end();
    unpacker?.close();
  }
  unpacker?.finish();
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
