// Bytes that job folders take on the disk. Those of a finished job do not change, so each is looked at once.
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Job } from "./job.ts";

const blockBytes = 512;
/** Folders of running jobs are looked at again after so long. */
const staleAfterMs = 2_000;
const atOnce = 64;

interface Measured {
  readonly bytes: number;
  readonly final: boolean;
  readonly atMs: number;
}

export class DiskUse {
  readonly #measured = new WeakMap<Job, Measured>();

  async sum(jobs: readonly Job[]): Promise<number> {
    await this.measure(jobs);
    return jobs.reduce((sum, job) => sum + this.bytes(job), 0);
  }

  async measure(jobs: readonly Job[]): Promise<void> {
    const now = performance.now();
    const stale = jobs.filter((job) => {
      const known = this.#measured.get(job);
      return known === undefined || (!known.final && now - known.atMs > staleAfterMs);
    });
    for (let i = 0; i < stale.length; i += atOnce) {
      await Promise.all(stale.slice(i, i + atOnce).map((job) => this.#measure(job)));
    }
  }

  /** As last measured. */
  bytes(job: Job): number {
    return this.#measured.get(job)?.bytes ?? 0;
  }

  async #measure(job: Job): Promise<void> {
    const final = job.outcome !== null;
    const bytes = await bytesOf(job.folder);
    this.#measured.set(job, { bytes, final, atMs: performance.now() });
  }
}

/** Blocks, not lengths: logs may have holes. */
async function bytesOf(folder: string): Promise<number> {
  try {
    const names = [".", ...(await readdir(folder))];
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).blocks * blockBytes));
    return sizes.reduce((sum, bytes) => sum + bytes, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0; // removed meanwhile, or a file of it
    throw error;
  }
}
