// Processes that somebody on the host has stopped (SIGSTOP, a debugger). They are looked at now and then: what only pauses, or
// is slow, is told apart from what has stood still all the time.
import { readFileSync } from "node:fs";
import { isGone } from "./sys/errors.ts";
import { killProcess } from "./sys/pidfd.ts";
import { haltOf, identityIn, type ProcessIdentity } from "./sys/process-identity.ts";

/** One process, for as long as it is looked at. */
export class HaltWatch {
  readonly #identity: ProcessIdentity | null;
  #halt: string | null = null;
  #looks = 0;

  /** null: it is not known, or gone. */
  constructor(identity: ProcessIdentity | null) {
    this.#identity = identity;
  }

  /** Looks: how many looks in a row have found it stopped, this one included, without its having run between. */
  look(): number {
    const halt = this.#identity && haltOf(this.#identity);
    if (halt === null) this.#looks = 0;
    else this.#looks = halt === this.#halt ? this.#looks + 1 : 1;
    this.#halt = halt;
    return this.#looks;
  }

  /** SIGKILL, which reaches a stopped process too, and no other. */
  kill(): void {
    if (this.#identity !== null) killProcess(this.#identity);
  }
}

/** Several, by pid; each begins to be watched when it is first looked at. */
export class HaltWatches {
  readonly #watches = new Map<number, HaltWatch>();

  of(pid: number): HaltWatch {
    const watch = this.#watches.get(pid) ?? new HaltWatch(identityIn(`/proc/${pid}`));
    this.#watches.set(pid, watch);
    return watch;
  }

  clear(): void {
    this.#watches.clear();
  }
}

/** Pids of the children of a process with one thread; none of one that has ended. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean).map(Number);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}
