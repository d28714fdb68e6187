// The moments at which init must act without being woken, on the monotonic clock: a step of the wall clock moves none.

const never = Number.POSITIVE_INFINITY;
/** The kernel tells of memory running out just before it kills and counts; look for the count this often, this long. */
const oomLookMs = 5;
const oomLooks = 40;

function nowMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

export class Deadlines {
  readonly #beganAt = nowMs();
  #timeoutAt: number;
  #killAt = never;
  #oomLookAt = never;
  #oomLooksLeft = 0;

  /** `timeoutMs` from now; 0 = none. */
  constructor(timeoutMs: number) {
    this.#timeoutAt = timeoutMs === 0 ? never : this.#beganAt + timeoutMs;
  }

  /** Another timeout, counted from the same beginning; one that is over is due now. 0 = none. */
  changeTimeout(timeoutMs: number): void {
    this.#timeoutAt = timeoutMs === 0 ? never : this.#beganAt + timeoutMs;
  }

  /** Milliseconds until something is due, for poll(2): -1 = nothing ever. */
  untilNextMs(): number {
    const next = Math.min(this.#timeoutAt, this.#killAt, this.#oomLookAt);
    if (next === never) return -1;
    return Math.min(Math.max(0, next - nowMs()), 0x7fffffff);
  }

  /** The earliest kill wanted stands. */
  killIn(graceMs: number): void {
    this.#killAt = Math.min(this.#killAt, nowMs() + graceMs);
  }

  /** True once. */
  killDue(): boolean {
    if (nowMs() < this.#killAt) return false;
    this.#killAt = never;
    return true;
  }

  /** True once. */
  timeoutDue(): boolean {
    if (nowMs() < this.#timeoutAt) return false;
    this.#timeoutAt = never;
    return true;
  }

  watchOom(): void {
    this.#oomLookAt = 0;
    this.#oomLooksLeft = oomLooks;
  }

  /** True when the out-of-memory count is worth a look; arms the next look by itself. */
  oomDue(): boolean {
    if (nowMs() < this.#oomLookAt) return false;
    this.#oomLooksLeft--;
    this.#oomLookAt = this.#oomLooksLeft > 0 ? nowMs() + oomLookMs : never;
    return true;
  }
}
