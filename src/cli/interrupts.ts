// Ctrl-C and SIGTERM of `podium run`: the first stops the job, the second kills it, the third leaves.
import type { Podium } from "../client/connect.ts";
import { ConnectionLost, resumed } from "../client/resume.ts";
import { type StopOptions, stopJob } from "../client/stop.ts";
import type { StartRequest } from "../gen/podium.ts";
import { CliError, cliErrorOf, report } from "./failure.ts";
import { queuedJob } from "./queued-start.ts";

const steps: readonly StopOptions[] = [{}, { signal: "KILL", graceMs: 0 }];

export class Interrupts implements Disposable {
  readonly #podium: Podium;
  readonly #request: StartRequest;
  readonly #leave = new AbortController();
  #job: bigint | null = null;
  #count = 0;

  constructor(podium: Podium, request: StartRequest) {
    this.#podium = podium;
    this.#request = request;
    for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, this.#take);
  }

  /** Aborted when the user wants to wait no longer. */
  get signal(): AbortSignal {
    return this.#leave.signal;
  }

  /** What came before the job had an id is made good for. */
  nowStop(id: bigint): void {
    this.#job = id;
    if (this.#count > 0) this.#stop(id, steps[0]);
  }

  readonly #take = (): void => {
    this.#count++;
    if (this.#job !== null) this.#stop(this.#job, steps[this.#count - 1]);
    else if (this.#count > 1) {
      const mend = "podium ps shows whether the job was started";
      this.#leave.abort(new CliError("interrupted before the server answered", mend));
    } else void this.#stopQueued();
  };

  /** A job that waits in the queue has an id already, though Start has not answered. */
  async #stopQueued(): Promise<void> {
    const job = await queuedJob(this.#podium, this.#request);
    if (job !== null && this.#job === null) this.nowStop(job.id);
  }

  #stop(id: bigint, how: StopOptions | undefined): void {
    if (how === undefined) this.#leave.abort(new CliError("interrupted before the job has ended"));
    else resumed(this.#podium, () => stopJob(this.#podium, id, how), this.signal).catch((error) => this.#tell(error));
  }

  /** A lost connection is told by whoever reads the job's output. */
  #tell(error: unknown): void {
    if (error instanceof ConnectionLost || this.signal.aborted) return;
    report(cliErrorOf(error));
  }

  [Symbol.dispose](): void {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, this.#take);
  }
}
