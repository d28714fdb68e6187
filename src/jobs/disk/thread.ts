// One thread for what the server does with the disk while nobody waits for it (tasks.ts), begun when there is something to do.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { DiskTask } from "./tasks.ts";

interface Waiting {
  resolve(): void;
  reject(error: Error): void;
}

interface Answer {
  readonly id: number;
  /** Absent: it is done. */
  readonly error?: string;
}

/** It has a handful of short strings at a time. */
const heap = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 32 };

class DiskThread {
  #worker: Worker | null = null;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  /** Keeps the process until it is done, and rejects with what the system said. */
  perform(task: DiskTask): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#worker ??= this.#begin();
      if (this.#waiting.size === 0) this.#worker.ref();
      const id = ++this.#last;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, task });
    });
  }

  #begin(): Worker {
    const worker = new Worker(programFile(), { name: "disk", execArgv: [], resourceLimits: heap });
    worker.on("message", (answer: Answer) => this.#take(answer));
    worker.on("error", (error) => this.#end(error)); // the next task begins another
    return worker;
  }

  #take({ id, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#worker?.unref();
    if (error === undefined) waiting?.resolve();
    else waiting?.reject(new Error(error));
  }

  #end(error: Error): void {
    this.#worker = null;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/** Beside this module, or beside the bundle. */
function programFile(): string {
  const bundled = fileURLToPath(new URL("disk.cjs", import.meta.url));
  return existsSync(bundled) ? bundled : fileURLToPath(new URL("main.js", import.meta.url));
}

export const diskThread = new DiskThread();
