// Long calls go on after a lost connection: how long to try, and how often.
import { setTimeout as sleep } from "node:timers/promises";
import { isInterruption } from "./call-failure.ts";
import { type Podium, untilConnected } from "./connect.ts";

const firstPauseMs = 100;
const longestPauseMs = 2_000;
/** An attempt that held for so long was no failed one. */
const heldMs = 5_000;

/** The connection was lost and did not come back in time. `cause` is the failure that it was lost with. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";

  constructor(cause: unknown) {
    super("the connection was lost", { cause });
  }
}

/** Decides after each interruption whether and when to try again. */
export class Patience {
  readonly #podium: Podium;
  #triedAt = performance.now();
  #failingSince: number | null = null;
  #pauseMs = firstPauseMs;

  constructor(podium: Podium) {
    this.#podium = podium;
  }

  /** Something arrived: the connection is good. */
  progress(): void {
    this.#failingSince = null;
    this.#pauseMs = firstPauseMs;
  }

  /** Resolves when it is time for the next attempt. Throws ConnectionLost; what is no interruption it throws as it is. */
  async afterFailure(error: unknown, signal?: AbortSignal): Promise<void> {
    if (!isInterruption(error)) throw error;
    const now = performance.now();
    if (now - this.#triedAt > heldMs) this.progress();
    this.#failingSince ??= now;
    const leftMs = this.#failingSince + this.#podium.patienceMs - now;
    if (leftMs <= 0) throw new ConnectionLost(error);
    await sleep(Math.min(this.#pauseMs, leftMs), undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
    this.#pauseMs = Math.min(2 * this.#pauseMs, longestPauseMs);
    try {
      await untilConnected(this.#podium, new Date(Date.now() + Math.max(leftMs - this.#pauseMs, 0)), signal);
    } catch {
      signal?.throwIfAborted();
      throw new ConnectionLost(error);
    }
    signal?.throwIfAborted();
    this.#triedAt = performance.now();
  }
}

/** Repeats a call that may be repeated. */
export async function resumed<T>(podium: Podium, call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const patience = new Patience(podium);
  for (;;) {
    try {
      return await call();
    } catch (error) {
      await patience.afterFailure(error, signal);
    }
  }
}
