// Brings what was told about jobs onto the disk, so that a power cut takes back neither an id nor an outcome that somebody
// was given. After the answer, one file after the other in the disk thread: no call waits for it, and what changes meanwhile
// goes together. Outputs are not among it: how much of them a power cut may take is the disk's.
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { diskThread } from "./thread.ts";

/** Jobs that start or end within this go together. */
const collectMs = 5;

interface Log {
  error(fields: object, message: string): void;
}

/** A job folder. */
interface Changed {
  readonly folder: string;
  /** Its files of which the disk may know nothing yet. */
  unsynced: readonly string[];
}

export class DiskSync {
  readonly #log: Log;
  #changed = new Map<string, Set<string>>();
  #running: Promise<void> | null = null;

  constructor(log: Log) {
    this.#log = log;
  }

  /** This job folder, with its name in the folder above, is to be on the disk within milliseconds. The supervisor syncs the record itself. */
  soon(job: Changed): void {
    const files = this.#changed.get(job.folder) ?? new Set();
    this.#changed.set(job.folder, files);
    for (const file of job.unsynced) files.add(file);
    job.unsynced = [];
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
  }

  /** Resolves when all is on the disk. */
  async done(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#changed.size > 0) {
      await setTimeout(collectMs);
      const changed = this.#changed;
      this.#changed = new Map();
      const folders = [...changed].flatMap(([folder, files]) => [
        ...[...files].map((file) => join(folder, file)),
        folder,
      ]);
      const parents = new Set([...changed.keys()].map(dirname));
      await diskThread.perform({ sync: [...folders, ...parents] }).catch((error: Error) => {
        this.#log.error({ error: error.message }, "the disk does not keep what was written about jobs");
      });
    }
  }
}
