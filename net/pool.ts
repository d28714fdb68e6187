// Ready-made networks: made ahead, used once, thrown away. A job that starts takes one from memory and does not wait for
// links and namespaces; when there is none, it waits for the next that is made.
import { NetworkError } from "./errors.ts";
import type { JobNetwork } from "./job-network.ts";

/** Where networks come from and go to: `Networks` in this process, or `NetworkAgent` in another. */
export interface NetworkSource {
  make(): Promise<JobNetwork>;
  release(network: JobNetwork): Promise<void>;
}

interface Waiting {
  readonly resolve: (network: JobNetwork) => void;
  readonly reject: (error: unknown) => void;
}

export class NetworkPool {
  readonly #source: NetworkSource;
  readonly #size: number;
  readonly #quietMs: number;
  #refill: NodeJS.Timeout | null = null;
  #ready: JobNetwork[] = [];
  readonly #waiting: Waiting[] = [];
  #filling: Promise<void> | null = null;
  #closed = false;

  /**
   * Keeps `size` networks ready from now on; 0 makes each when it is asked for. What was taken is made again when nobody
   * has asked for `quietMs`, or when a quarter is left: making one costs processor time that a job's start would miss.
   */
  constructor(source: NetworkSource, size: number, quietMs = 0) {
    this.#source = source;
    this.#size = size;
    this.#quietMs = quietMs;
    this.#fill();
  }

  get ready(): number {
    return this.#ready.length;
  }

  /** A network of one's own, to be given back to the source when the job is over. Throws NetworkError. */
  take(): Promise<JobNetwork> {
    if (this.#closed) return Promise.reject(new NetworkError("unavailable", "the network is being shut down"));
    const network = this.#ready.shift();
    const taken =
      network === undefined
        ? new Promise<JobNetwork>((resolve, reject) => this.#waiting.push({ resolve, reject }))
        : Promise.resolve(network);
    if (this.#ready.length > this.#size / 4) this.#fillWhenQuiet();
    else this.#fill();
    return taken;
  }

  #fillWhenQuiet(): void {
    if (this.#quietMs === 0) return this.#fill();
    if (this.#refill !== null) clearTimeout(this.#refill);
    this.#refill = setTimeout(() => this.#fill(), this.#quietMs);
  }

  /** Resolves when as many are ready as there should be, or no more can be made. */
  async filled(): Promise<void> {
    while (this.#filling !== null) await this.#filling;
  }

  /** Forgets the ready ones: their maker died, and the next one removes them. */
  forget(): void {
    this.#ready = [];
    this.#fill();
  }

  /** Releases what nobody has taken; who still waits is refused. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#refill !== null) clearTimeout(this.#refill);
    await this.filled();
    for (const { reject } of this.#waiting.splice(0)) {
      reject(new NetworkError("unavailable", "the network is being shut down"));
    }
    for (const network of this.#ready.splice(0)) await this.#source.release(network);
  }

  #fill(): void {
    if (this.#filling !== null || !this.#wanting()) return;
    this.#filling = this.#makeAll().finally(() => {
      this.#filling = null;
    });
  }

  #wanting(): boolean {
    return !this.#closed && (this.#waiting.length > 0 || this.#ready.length < this.#size);
  }

  /** One after the other. What fails is told to the one who waits; ahead of time nobody does, and the next take tries again. */
  async #makeAll(): Promise<void> {
    while (this.#wanting()) {
      try {
        const network = await this.#source.make();
        const waiting = this.#waiting.shift();
        if (waiting === undefined) this.#ready.push(network);
        else waiting.resolve(network);
      } catch (error) {
        const waiting = this.#waiting.shift();
        if (waiting === undefined) return;
        waiting.reject(error);
      }
    }
  }
}
