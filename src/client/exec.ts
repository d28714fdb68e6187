// A further command in a running job.
import { once } from "node:events";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import {
  type ExecExited,
  type ExecFailed,
  ExecOpen,
  type ExecRequest,
  type ExecResponse,
  SessionService,
  type Terminal,
} from "../gen/podium.ts";
import { duplex, messagesOf } from "./call.ts";
import type { Podium } from "./connect.ts";

type Call = ClientDuplexStream<ExecRequest, ExecResponse>;
export type ExecResult = { readonly exited: ExecExited } | { readonly failed: ExecFailed };

/** Exec takes at most 1 MiB at a time; smaller pieces keep the flow control fine. */
const largestPiece = 64 * 1024;

/** Takes one piece of its output; the next comes when it resolves. */
export type TakeOutput = (stream: "stdout" | "stderr", bytes: Buffer) => Promise<void>;

/** One command. It is killed when its call ends before it. */
export class Exec {
  readonly #call: Call;
  readonly #over = new AbortController();
  readonly #signal: AbortSignal;

  constructor(podium: Podium, open: Partial<ExecOpen>, leave: AbortSignal) {
    this.#signal = leave;
    this.#call = duplex(podium, SessionService.exec);
    this.#call.write({ request: { $case: "open", value: ExecOpen.create(open) } });
  }

  /** Once. Resolves when it has ended and all of its output has been taken. Throws CallFailure. */
  async result(take: TakeOutput): Promise<ExecResult> {
    try {
      for await (const { response } of messagesOf(this.#call, this.#signal)) {
        if (response?.$case === "exited") return { exited: response.value };
        if (response?.$case === "failed") return { failed: response.value };
        if (response?.$case === "stdout" || response?.$case === "stderr") await take(response.$case, response.value);
      }
    } finally {
      this.#over.abort();
    }
    throw new Error("the server did not say how the command ended; is it newer than this client?");
  }

  /** Gives it all of `source`, no faster than it reads, then end-of-file unless it has a terminal. */
  async feed(source: AsyncIterable<Buffer>): Promise<void> {
    try {
      for await (const chunk of source) await this.input(chunk);
    } finally {
      await this.#send({ $case: "stdinEnd", value: {} });
    }
  }

  async input(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; at += largestPiece)
      await this.#send({ $case: "stdin", value: bytes.subarray(at, at + largestPiece) });
  }

  resize(size: Terminal): void {
    void this.#send({ $case: "resize", value: size });
  }

  signal(name: string): void {
    void this.#send({ $case: "signal", value: name });
  }

  /** `write` answering false means that the server is behind, because the command is. */
  async #send(request: ExecRequest["request"]): Promise<void> {
    const { signal } = this.#over;
    if (signal.aborted || this.#call.write({ request })) return;
    await once(this.#call, "drain", { signal }).catch(() => {}); // aborted: nobody reads any more
  }
}
