// The way to a job's terminal: what is typed, and its size. What the terminal shows comes as the job's stdout (logs.ts).
import { once } from "node:events";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import { type AttachRequest, type AttachResponse, SessionService, type Terminal } from "../gen/podium.ts";
import { duplex, messagesOf } from "./call.ts";
import { CallFailure } from "./call-failure.ts";
import type { Podium } from "./connect.ts";
import { Patience } from "./resume.ts";

type Call = ClientDuplexStream<AttachRequest, AttachResponse>;

/** Attach takes at most 1 MiB at a time. */
const largestPiece = 64 * 1024;

/** Types on the terminal of one job. What is typed while the connection is lost is kept until it is back. */
export class Keyboard {
  readonly #podium: Podium;
  readonly #id: bigint;
  readonly #typed: Buffer[] = [];
  #size: Terminal | null = null;
  #call: Call | null = null;
  #drained: Promise<unknown> | null = null;
  #tellOpened = (): void => {};
  /** Resolves when what is typed reaches the job for the first time. */
  readonly opened = new Promise<void>((resolve) => {
    this.#tellOpened = resolve;
  });

  constructor(podium: Podium, id: bigint) {
    this.#podium = podium;
    this.#id = id;
  }

  /** Resolves when there is room for more. */
  async type(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; at += largestPiece) this.#typed.push(bytes.subarray(at, at + largestPiece));
    this.#flush();
    await this.#drained;
  }

  /** The last size is told anew after a lost connection. */
  resize(size: Terminal): void {
    this.#size = size;
    this.#call?.write({ request: { $case: "resize", value: size } });
  }

  /**
   * Carries what is typed until the job has ended. Goes on by itself when a connection that stood is lost; throws
   * ConnectionLost when it does not come back, and CallFailure.
   */
  async serve(signal: AbortSignal): Promise<void> {
    const patience = new Patience(this.#podium);
    for (;;) {
      try {
        return await this.#attached(signal);
      } catch (error) {
        if (error instanceof CallFailure && error.status === "FAILED_PRECONDITION") return; // it has ended
        await patience.afterFailure(error, signal);
      }
    }
  }

  async #attached(signal: AbortSignal): Promise<void> {
    const call: Call = duplex(this.#podium, SessionService.attach);
    try {
      call.write({ request: { $case: "open", value: { id: this.#id } } });
      for await (const { response } of messagesOf(call, signal)) {
        if (response?.$case === "ended") return;
        if (response?.$case === "opened") this.#opened(call);
      }
    } finally {
      this.#call = null;
      call.cancel();
    }
  }

  #opened(call: Call): void {
    this.#call = call;
    if (this.#size !== null) this.resize(this.#size);
    this.#flush();
    this.#tellOpened();
  }

  #flush(): void {
    for (const call = this.#call; call !== null && this.#drained === null && this.#typed.length > 0; ) {
      const value = this.#typed.shift() ?? Buffer.alloc(0);
      if (call.write({ request: { $case: "stdin", value } })) continue;
      // A call that ends closes: what is still to be typed goes on with the next.
      this.#drained = Promise.race([once(call, "drain"), once(call, "close")]).catch(() => {});
      void this.#drained.then(() => {
        this.#drained = null;
        this.#flush();
      });
    }
  }
}
