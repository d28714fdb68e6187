// Brings what was told about jobs onto the disk, so that a power cut takes back neither an id nor an outcome that somebody
// was given. After the answer, one file after the other in the thread pool: no call waits for it, and what changes meanwhile
// goes together. Outputs are not among it: how much of them a power cut may take is the disk's.
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";

/** What makes a folder a job; the supervisor syncs the record itself. */
const files = ["job.json", "queued.json"];
/** Jobs that start or end within this go together. */
const collectMs = 5;

interface Log {
  error(fields: object, message: string): void;
}

export class DiskSync {
  readonly #log: Log;
  #changed = new Set<string>();
  #running: Promise<void> | null = null;

  constructor(log: Log) {
    this.#log = log;
  }

  /** This job folder, with its name in the folder above, is to be on the disk within milliseconds. */
  soon(folder: string): void {
    this.#changed.add(folder);
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
      const folders = [...this.#changed];
      this.#changed = new Set();
      try {
        for (const folder of folders) await syncFolder(folder);
        for (const parent of new Set(folders.map(dirname))) await sync(parent);
      } catch (error) {
        this.#log.error({ error: (error as Error).message }, "the disk does not keep what was written about jobs");
      }
    }
  }
}

async function syncFolder(folder: string): Promise<void> {
  for (const name of files) await sync(join(folder, name));
  await sync(folder);
}

/** What has been removed meanwhile need not be kept. */
async function sync(path: string): Promise<void> {
  try {
    await using file = await open(path, constants.O_RDONLY);
    await file.sync();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
