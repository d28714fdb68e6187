// When the work of a call should end early. Every call has one, few are asked for their signal, and fewer are aborted: an
// AbortController of Node's own is made only where one of Node's own functions is to heed it.
import type { EventEmitter } from "node:events";
import type { Abortable } from "../jobs/abortable.ts";

/** Aborted once. */
export class Abortion implements Abortable {
  readonly #listeners = new Set<() => void>();
  #aborted = false;

  get aborted(): boolean {
    return this.#aborted;
  }

  addEventListener(_type: "abort", listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: "abort", listener: () => void): void {
    this.#listeners.delete(listener);
  }

  abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    for (const listener of [...this.#listeners]) listener();
    this.#listeners.clear();
  }
}

type Cancellable = Pick<EventEmitter, "on"> & { readonly cancelled: boolean };

/** The client is gone, or the server ends. Dispose it with the call: the server's own end would else hold on to all there ever were. */
export class CallEnd extends Abortion implements Disposable {
  readonly #ending: Abortable;
  readonly #end = (): void => this.abort();
  #controller: AbortController | null = null;
  #gone = false;
  #done = false;

  constructor(call: Cancellable, ending: Abortable) {
    super();
    this.#ending = ending;
    const leave = () => {
      this.#gone = true;
      if (!this.#done) this.abort(); // grpc-js tells the same of each call that has ended well
    };
    call.on("cancelled", leave);
    call.on("error", leave);
    if (call.cancelled) leave(); // before its handler was called
    if (ending.aborted) this.abort();
    else ending.addEventListener("abort", this.#end);
  }

  /** The client is gone: nobody hears an answer. */
  get gone(): boolean {
    return this.#gone;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      const controller = new AbortController();
      if (this.aborted) controller.abort();
      else this.addEventListener("abort", () => controller.abort());
      this.#controller = controller;
    }
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    this.#done = true;
    this.#ending.removeEventListener("abort", this.#end);
  }
}
