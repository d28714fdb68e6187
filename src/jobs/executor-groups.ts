// The part of the seam that is about control groups of which nobody is left. A supervisor removes its job's group itself; what one
// that was killed has left, the server removes.
import { existsSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { openGroup } from "../../sandbox/cgroup/create.ts";
import { CgroupError } from "../../sandbox/cgroup/errors.ts";
import type { CgroupPlan } from "../../sandbox/cgroup/group.ts";
import { sweepJob } from "../../sandbox/cgroup/placement.ts";

/** Groups that are looked for within this are looked for together. */
const lookMs = 500;

export class LeftGroups {
  readonly #cgroup: CgroupPlan;
  readonly #doubtful = new Set<string>();
  #timer: NodeJS.Timeout | null = null;

  constructor(cgroup: CgroupPlan) {
    this.#cgroup = cgroup;
  }

  /** Removes it now, if it is there, with all that is in it. */
  remove(group: string): void {
    if (openGroup(this.#cgroup, group).folders.some((folder) => existsSync(folder))) this.#sweep(group);
  }

  /**
   * Its supervisor was about to remove it, and is gone: hardly ever is it there. To ask each hierarchy for each group is to
   * wait, each time, for those who are just removing others.
   */
  doubt(group: string): void {
    this.#doubtful.add(group);
    this.#timer ??= setTimeout(() => this.#look(), lookMs).unref();
  }

  close(): void {
    this.#look();
  }

  #look(): void {
    clearTimeout(this.#timer ?? undefined);
    this.#timer = null;
    if (this.#doubtful.size === 0) return;
    const places = new Set(openGroup(this.#cgroup, "any").folders.map(dirname));
    const left = new Set([...places].flatMap(namesIn).filter((name) => this.#doubtful.has(name)));
    this.#doubtful.clear();
    for (const group of left) this.#sweep(group);
  }

  #sweep(group: string): void {
    try {
      sweepJob(this.#cgroup, group);
    } catch (error) {
      if (!(error instanceof CgroupError)) throw error; // a process that cannot be killed: the next server tries again
    }
  }
}

/** None where somebody has removed the place itself. */
function namesIn(place: string): string[] {
  try {
    return readdirSync(place);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
