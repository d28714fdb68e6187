// How many ready-made jobs of a kind should wait: as many as were asked for within one second, of late.

/** At rest; each costs about 2 MB. */
const fewest = 2;
const windowMs = 1_000;
/** A peak is forgotten by halves, one after so long without its like. */
const calmMs = 30_000;

/** All times are milliseconds of one clock that never goes back. */
export class PoolSize {
  readonly #most: number;
  /** When the last requests came, those of one second and at most `#most`. */
  readonly #arrivals: number[] = [];
  #peak: number;
  #peakAt = 0;

  /** `expected`: such requests will come; otherwise none is made before the first has. */
  constructor(most: number, expected: boolean) {
    this.#most = most;
    this.#peak = expected ? Math.min(fewest, most) : 0;
  }

  /** A request has come, whether one was ready for it or not. */
  came(nowMs: number): void {
    if (this.#most === 0) return;
    this.#forgetBefore(nowMs - windowMs);
    if (this.#arrivals.length === this.#most) this.#arrivals.shift();
    this.#arrivals.push(nowMs);
    if (this.#arrivals.length < this.#peak) return;
    this.#peak = Math.max(this.#arrivals.length, Math.min(fewest, this.#most));
    this.#peakAt = nowMs;
  }

  wanted(nowMs: number): number {
    while (this.#peak > fewest && nowMs - this.#peakAt >= calmMs) {
      this.#peak = Math.max(fewest, this.#peak >> 1);
      this.#peakAt += calmMs;
    }
    return this.#peak;
  }

  /** Until `wanted` falls by itself; -1: it will not. */
  untilFallMs(nowMs: number): number {
    return this.#peak > fewest ? Math.max(0, this.#peakAt + calmMs - nowMs) : -1;
  }

  #forgetBefore(timeMs: number): void {
    while ((this.#arrivals[0] ?? timeMs) < timeMs) this.#arrivals.shift();
  }
}
