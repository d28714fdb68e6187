// The server's side of an exec process (protocol.ts).
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { encodeJson, type Frame, FrameReader } from "../frames.ts";
import type { TerminalSize } from "../spec.ts";
import { bundledProgram, nodeFlags } from "../zygote/client.ts";
import type { SetupFailure } from "../zygote/protocol.ts";
import { AskType, type ExecEnd, type ExecRequest, TellType } from "./protocol.ts";

/** What a further command tells; `exited` or `failed` is last. */
export type ExecEvent =
  | { readonly kind: "started" }
  | { readonly kind: "stdout" | "stderr"; readonly bytes: Buffer }
  | { readonly kind: "exited"; readonly end: ExecEnd }
  | { readonly kind: "failed"; readonly failure: SetupFailure };

const killed: SetupFailure = { step: "relay", errno: "", message: "the process that watches the command was killed" };

export class FurtherCommand {
  readonly #child: ChildProcess;
  readonly #food: Writable;
  /** Resolves when its process is gone. */
  readonly gone: Promise<unknown>;

  constructor(request: ExecRequest) {
    const child = spawn(process.execPath, [...nodeFlags, bundledProgram("exec.cjs")], {
      cwd: "/",
      detached: true, // a Ctrl-C on the server's terminal is not for the job
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LD_BIND_NOW: "1" },
      stdio: ["pipe", "pipe", "inherit", "pipe"],
    });
    this.#child = child;
    this.#food = child.stdio[3] as Writable;
    this.gone = new Promise((resolve) => {
      child.once("exit", resolve);
      child.once("error", resolve); // its output ends, which is told
    });
    for (const stream of [child.stdin, this.#food]) stream?.on("error", () => {}); // it has ended
    this.#ask(AskType.request, request);
    if (request.spec.stdin === "null") this.inputEnd();
  }

  #ask(type: number, value: unknown): void {
    if (this.#child.stdin?.writable === true) this.#child.stdin.write(encodeJson(type, value));
  }

  /** Read no faster than it is taken. */
  async *events(): AsyncGenerator<ExecEvent, void, undefined> {
    const reader = new FrameReader();
    for await (const chunk of this.#child.stdout as Readable) {
      reader.push(chunk as Buffer);
      for (let frame = reader.next(); frame !== null; frame = reader.next()) {
        const event = eventOf(frame);
        yield event;
        if (event.kind === "exited" || event.kind === "failed") return;
      }
    }
    yield { kind: "failed", failure: killed };
  }

  /** Resolves when there is room for more. */
  async input(bytes: Buffer): Promise<void> {
    if (this.#food.destroyed || !this.#food.writable || this.#food.write(bytes)) return;
    await Promise.race([once(this.#food, "drain"), once(this.#food, "close")]).catch(() => {});
  }

  inputEnd(): void {
    this.#food.end();
  }

  resize(size: TerminalSize): void {
    this.#ask(AskType.resize, size);
  }

  signal(signal: number): void {
    this.#ask(AskType.signal, signal);
  }

  /** Kills the command and its session, unless it has ended. */
  close(): void {
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#food]) stream?.destroy();
  }
}

function eventOf({ type, payload }: Frame): ExecEvent {
  switch (type) {
    case TellType.started:
      return { kind: "started" };
    case TellType.stdout:
      return { kind: "stdout", bytes: payload };
    case TellType.stderr:
      return { kind: "stderr", bytes: payload };
    case TellType.exited:
      return { kind: "exited", end: JSON.parse(payload.toString()) };
    default:
      return { kind: "failed", failure: JSON.parse(payload.toString()) };
  }
}
