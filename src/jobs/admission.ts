// What stands between a checked request and its start: quotas, rates, the disk, and the queue.
import type { Abortable } from "./abortable.ts";
import { DiskUse } from "./disk-use.ts";
import { Exhausted, Interrupted } from "./errors.ts";
import type { Job } from "./job.ts";
import { Queue, type QueueSettings } from "./queue.ts";
import {
  excess,
  type Quota,
  type QuotaSettings,
  type QuotaUse,
  quotaOf,
  refuseImpossible,
  type Share,
  StartRates,
} from "./quotas.ts";
import type { Registry } from "./registry.ts";
import type { RetentionSettings } from "./retention.ts";

export interface Governance {
  readonly quotas: QuotaSettings;
  readonly queue: QueueSettings;
  readonly retention: RetentionSettings;
}

/** What one user has, and what of it is in use. */
export interface Standing {
  readonly quota: Quota;
  readonly total: Quota;
  readonly use: QuotaUse & { readonly startsInLastMinute: number; readonly diskBytes: number; readonly queued: number };
  readonly queue: QueueSettings & { readonly waiting: number };
}

export class Admission {
  readonly queue: Queue;
  readonly disk = new DiskUse();
  readonly #settings: Governance;
  readonly #rates: StartRates;
  readonly #registry: Registry;

  constructor(settings: Governance, registry: Registry) {
    this.#settings = settings;
    this.#registry = registry;
    this.queue = new Queue(settings.quotas, settings.queue);
    this.#rates = new StartRates(settings.quotas);
    for (const { meta } of registry.all()) this.#rates.add(meta.user, performance.now() - ageMs(meta));
  }

  /** What no waiting would help against. Throws InvalidRequest, Exhausted. */
  async check(user: string, share: Share): Promise<void> {
    const { quotas } = this.#settings;
    const quota = quotaOf(quotas, user);
    refuseImpossible(quota, share, user);
    refuseImpossible(quotas.total, share, "the server");
    await this.#checkDisk(user, quota.diskBytes, (job) => job.meta.user === user);
    await this.#checkDisk("the server", quotas.total.diskBytes, () => true);
  }

  /** A running job is to have another share. Throws InvalidRequest, Exhausted. */
  checkChange({ meta }: Job, share: Share): void {
    const { quotas } = this.#settings;
    for (const [whose, quota, use] of [
      [meta.user, quotaOf(quotas, meta.user), this.queue.use(meta.user)],
      ["the server", quotas.total, this.queue.useOfAll()],
    ] as const) {
      refuseImpossible(quota, share, whose);
      const { cpus, memoryBytes } = meta.limits;
      const others = { jobs: use.jobs - 1, cpus: use.cpus - cpus, memoryBytes: use.memoryBytes - memoryBytes };
      const reason = excess(quota, others, share, whose);
      if (reason !== null) throw new Exhausted(reason);
    }
  }

  async #checkDisk(whose: string, limit: number, counts: (job: Job) => boolean): Promise<void> {
    if (limit === 0) return;
    const used = await this.disk.sum(this.#registry.all().filter(counts));
    if (used < limit) return;
    throw new Exhausted(`${whose} has ${used} of ${limit} bytes in job folders; remove finished jobs (podium rm)`);
  }

  /** Counts a start and tells whether it is now or later; nothing else happens in between. Throws Exhausted. */
  enter(user: string, share: Share, wait: boolean): "now" | "later" {
    this.#rates.check(user);
    const place = this.queue.place(user, share, wait);
    this.#rates.add(user);
    return place;
  }

  /** Nothing came of a start that had entered. */
  leave(user: string): void {
    this.#rates.remove(user);
  }

  async standing(user: string): Promise<Standing> {
    const { quotas, queue } = this.#settings;
    const diskBytes = await this.disk.sum(this.#registry.all().filter(({ meta }) => meta.user === user));
    const startsInLastMinute = this.#rates.count(user);
    return {
      quota: quotaOf(quotas, user),
      total: quotas.total,
      use: { ...this.queue.use(user), startsInLastMinute, diskBytes, queued: this.queue.waitingOf(user) },
      queue: { ...queue, waiting: this.queue.length },
    };
  }
}

/** A job that a clock which was ahead has dated is of now. */
function ageMs({ createdAtMs }: Job["meta"]): number {
  return Math.max(0, Date.now() - createdAtMs);
}

/** The answer of a Start; when the call ends while its job waits in the queue, Interrupted: the job waits on. */
export function unlessQueued(answer: Promise<Job>, queued: () => boolean, aborted: Abortable): Promise<Job> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      if (queued()) reject(new Interrupted());
    };
    aborted.addEventListener("abort", leave);
    answer.then(resolve, reject).finally(() => aborted.removeEventListener("abort", leave));
  });
}
