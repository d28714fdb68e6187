// One job in the server's memory: what its folder says, and when it ends.
import type { ExitRecord } from "../../sandbox/spec.ts";
import type { JobMeta } from "./folder.ts";

export class Job {
  readonly meta: JobMeta;
  readonly folder: string;
  /** Resolves when nothing of the job is left and its outcome is recorded. */
  readonly ended: Promise<void>;
  readonly #resolveEnded: () => void;
  /** Host pid of the command, and when it was exec'd; 0 before. */
  pid = 0;
  startedAtMs = 0;
  #outcome: ExitRecord | null = null;

  constructor(meta: JobMeta, folder: string) {
    this.meta = meta;
    this.folder = folder;
    let resolveEnded = () => {};
    this.ended = new Promise((resolve) => {
      resolveEnded = resolve;
    });
    this.#resolveEnded = resolveEnded;
  }

  get id(): number {
    return this.meta.id;
  }

  /** null while it runs. */
  get outcome(): ExitRecord | null {
    return this.#outcome;
  }

  /** Once, with what the folder's record says. */
  finish(outcome: ExitRecord): void {
    this.#outcome = outcome;
    this.startedAtMs = outcome.startedAtMs;
    this.#resolveEnded();
  }
}
