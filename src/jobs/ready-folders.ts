// Job folders made ahead of time. Making a file costs a journalled disk about as much as all else that the server does for a
// Start, so the files that every job has are there already, empty; a Start renames the folder into place and writes job.json.
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

/** What a folder made ahead holds: name and content. Init opens the last five and finds them there or makes them. */
const files = [
  ["stdout", ""],
  ["stderr", ""],
  ["state", "RUNNING\n"],
  ["exit.json.next", ""],
  ["state.next", ""],
  ["group", ""],
  ["pid.next", ""],
  ["log-index", ""],
] as const;

/** A burst of more makes its folders itself. */
const most = 32;
/** So that a Start comes before the folders of later ones. */
const patienceMs = 20;

/** @public scripts/bench measures a zygote with such folders. */
export async function makeReadyFolder(folder: string): Promise<void> {
  await mkdir(folder, { mode: 0o700 });
  for (const [name, text] of files) await writeFile(join(folder, name), text, { mode: 0o600 });
}

export class ReadyFolders {
  readonly #path: string;
  readonly #ready: string[] = [];
  #made = 0;
  #filling = false;
  #closed = false;

  /** What the last server left in `path` goes. Without room for a folder, none is made ahead. */
  constructor(path: string) {
    this.#path = path;
    rmSync(path, { recursive: true, force: true });
    try {
      mkdirSync(path, { mode: 0o700 });
    } catch {
      this.#closed = true;
    }
    void this.#fill();
  }

  /** Makes `folder` out of one that is ready; false when there is none. Throws when it cannot be renamed. */
  take(folder: string): boolean {
    const ready = this.#ready.pop();
    void this.#fill();
    if (ready === undefined) return false;
    renameSync(ready, folder);
    return true;
  }

  close(): void {
    this.#closed = true;
    rmSync(this.#path, { recursive: true, force: true });
  }

  /** A disk that takes no more files says so at Start, where somebody is told. */
  async #fill(): Promise<void> {
    if (this.#filling || this.#closed) return;
    this.#filling = true;
    await setTimeout(patienceMs, undefined, { ref: false });
    while (!this.#closed && this.#ready.length < most) {
      this.#made += 1;
      const folder = join(this.#path, String(this.#made));
      try {
        await makeReadyFolder(folder);
        this.#ready.push(folder);
      } catch {
        await rm(folder, { recursive: true, force: true }).catch(() => {});
        break;
      }
    }
    this.#filling = false;
    if (this.#closed) await rm(this.#path, { recursive: true, force: true }).catch(() => {}); // one was being made
  }
}
