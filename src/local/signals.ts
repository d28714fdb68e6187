import type { SignalConstants } from "node:os";
import type { ControlClient } from "../../sandbox/init/client.ts";

const forwarded: readonly (keyof SignalConstants)[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"];

/**
 * Signals that are the command's: taken from podium from the making of this on, so that none ends podium in the middle of
 * setting things up, and handed on once there is a command.
 */
export class ForwardedSignals implements Disposable {
  readonly #early: number[] = [];
  #client: ControlClient | null = null;

  constructor() {
    for (const name of forwarded) process.on(name, this.#take);
  }

  readonly #take = (_name: NodeJS.Signals, number: number) => {
    if (this.#client === null) this.#early.push(number);
    else this.#client.signal(number);
  };

  to(client: ControlClient): void {
    this.#client = client;
    for (const number of this.#early.splice(0)) client.signal(number);
  }

  /** Somebody wants podium to end, and there is no command that it could be told. */
  get pending(): boolean {
    return this.#early.length > 0;
  }

  /** The command has ended. */
  hold(): void {
    this.#client = null;
  }

  [Symbol.dispose](): void {
    for (const name of forwarded) process.off(name, this.#take);
  }
}
