// One job in the server's memory: what its folder says, and when it ends.
import type { ExitRecord, Usage } from "../../sandbox/spec.ts";
import type { Abortable } from "./abortable.ts";
import type { JobMeta } from "./folder.ts";
import type { JobNetwork } from "./job-networks.ts";

export class Job {
  /** What was asked for; limits can be changed while it runs. */
  meta: JobMeta;
  readonly folder: string;
  readonly #waiting = new Set<() => void>();
  /** Host pid of the command, and when it was exec'd; 0 before. */
  pid = 0;
  startedAtMs = 0;
  /** As it was when somebody last asked while it ran. */
  lastUsage: Usage = { cpuSeconds: 0, memoryBytes: 0, memoryPeakBytes: 0, pids: 0 };
  /** Its own network; null: it has none. */
  network: JobNetwork | null = null;
  /** Files of its folder that no server is known to have brought onto the disk. */
  unsynced: readonly string[] = ["job.json"];
  /** It waits for its start. */
  queued = false;
  /** Its DATA is a copy of the one in which it was started: what runs of it is not this server's. */
  elsewhere = false;
  /** Why its supervisor was killed by its own server; "": it was not. */
  killedBecause = "";
  #outcome: ExitRecord | null = null;

  constructor(meta: JobMeta, folder: string) {
    this.meta = meta;
    this.folder = folder;
  }

  get id(): number {
    return this.meta.id;
  }

  /** As the file `state` says it at the end. */
  get state(): "QUEUED" | "RUNNING" | "COMPLETED" | "FAILED" {
    if (this.#outcome === null) return this.queued ? "QUEUED" : "RUNNING";
    const { cause, exitCode } = this.#outcome;
    return (cause === "EXITED" || cause === "STOPPED") && exitCode === 0 ? "COMPLETED" : "FAILED";
  }

  /** null while it runs. */
  get outcome(): ExitRecord | null {
    return this.#outcome;
  }

  /** Once, with what the folder's record says. */
  finish(outcome: ExitRecord): void {
    this.#outcome = outcome;
    this.startedAtMs = outcome.startedAtMs;
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  /**
   * Resolves when nothing of the job is left and its outcome is recorded, or when the signal is aborted. A long job may
   * see many who wait and go: nothing of them is kept.
   */
  ended(signal?: Abortable): Promise<void> {
    if (this.#outcome !== null || signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        this.#waiting.delete(done);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      this.#waiting.add(done);
      signal?.addEventListener("abort", done);
    });
  }
}
