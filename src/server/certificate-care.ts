// The certificates of a running server: read again on SIGHUP and when a file has changed, and told when one is about to end.
import type { MutualTls } from "./credentials.ts";
import type { ServerLog } from "./log.ts";

const lookEveryMs = 2_000;
const tellEveryMs = 86_400_000;

export class CertificateCare {
  readonly #tls: MutualTls;
  readonly #log: ServerLog;
  readonly #timers: readonly NodeJS.Timeout[];
  /** As last read or refused, and as last seen. */
  #tried: string;
  #seen = "";

  constructor(tls: MutualTls, log: ServerLog) {
    this.#tls = tls;
    this.#log = log;
    this.#tried = tls.readState;
    this.#tell();
    this.#timers = [
      setInterval(() => this.#look(), lookEveryMs).unref(),
      setInterval(() => this.#tell(), tellEveryMs).unref(),
    ];
  }

  /** Connections and streams stay; new ones, and new calls on old ones, get the new files. */
  reload(): void {
    try {
      this.#tls.reload();
      this.#log.info({}, "certificates reloaded");
      this.#tell();
    } catch (error) {
      this.#log.error({ error: (error as Error).message }, "certificates not reloaded; the old ones stay");
    }
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  /** Files that belong together are written one after the other: only what two looks in a row have seen is read. */
  #look(): void {
    const found = this.#tls.state();
    if (found !== this.#tried && found === this.#seen) {
      this.#tried = found;
      this.reload();
    }
    this.#seen = found;
  }

  #tell(): void {
    for (const warning of this.#tls.warnings()) this.#log.warn({}, warning);
  }
}
