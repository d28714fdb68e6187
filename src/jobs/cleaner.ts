// Removes finished jobs as the retention bounds say: soon after a job has ended, and once a minute.
import { setImmediate } from "node:timers/promises";
import type { DiskUse } from "./disk-use.ts";
import type { Job } from "./job.ts";
import type { Registry } from "./registry.ts";
import { countsBytes, keepsAll, overdue, type RetentionSettings } from "./retention.ts";

interface Log {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const soonMs = 1_000;
const everyMs = 60_000;

export class Cleaner {
  readonly #settings: RetentionSettings;
  readonly #registry: Registry;
  readonly #disk: DiskUse;
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #again = false;
  #closed = false;

  constructor(settings: RetentionSettings, registry: Registry, disk: DiskUse, log: Log) {
    this.#settings = settings;
    this.#registry = registry;
    this.#disk = disk;
    this.#log = log;
    this.soon();
  }

  /** A job has ended. */
  soon(): void {
    if (keepsAll(this.#settings)) return;
    this.#again = true; // also for the run that goes on now
    this.#after(soonMs);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** Brings the next run forward, never back. */
  #after(ms: number): void {
    const dueMs = performance.now() + ms;
    if (this.#closed || dueMs >= this.#dueMs) return;
    clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    this.#timer = setTimeout(() => void this.#run(), ms).unref();
  }

  async #run(): Promise<void> {
    try {
      await this.#clean();
    } catch (error) {
      this.#log.error({ error: (error as Error).message }, "finished jobs cannot be removed");
    }
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#after(this.#again ? soonMs : everyMs);
    this.#again = false;
  }

  async #clean(): Promise<void> {
    this.#again = false;
    const finished = this.#registry.finished();
    if (countsBytes(this.#settings)) await this.#disk.measure(finished);
    const gone = new Set(
      overdue(
        finished.map((job) => this.#described(job)),
        this.#settings,
        Date.now(),
      ),
    );
    for (const job of finished) {
      if (!gone.has(job.id) || this.#closed) continue;
      this.#registry.remove(job);
      this.#log.info({ job: job.id, user: job.meta.user }, "removed by retention");
      await setImmediate(); // calls go on between
    }
  }

  #described(job: Job) {
    const finishedAtMs = job.outcome?.finishedAtMs ?? Date.now();
    return { id: job.id, user: job.meta.user, finishedAtMs, bytes: this.#disk.bytes(job) };
  }
}
