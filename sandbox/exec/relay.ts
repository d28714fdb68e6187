// The exec process's one poll(2) loop, between the server and the command. It holds at most one piece in each direction.
import { encodeFrame, encodeJson, type Frame, type FrameReader } from "../frames.ts";
import type { Command } from "../init/command.ts";
import type { Input } from "../init/input.ts";
import { signalName } from "../init/outcome.ts";
import type { Source } from "../init/source.ts";
import type { Terminal } from "../init/terminal.ts";
import { Children } from "../sys/children.ts";
import { read, write } from "../sys/descriptors.ts";
import { POLLIN, POLLOUT, PollSet } from "../sys/poll.ts";
import { exitOf, kill, reap, signalOf } from "../sys/process.ts";
import type { SetupFailure } from "../zygote/protocol.ts";
import { AskType, type ExecEnd, TellType } from "./protocol.ts";
import { killSession } from "./session.ts";

/** Descriptors of the exec process. */
export const asking = 0;
export const telling = 1;
export const feeding = 3;
const chunkBytes = 64 << 10;
const died: SetupFailure = { step: "setup", errno: "", message: "the process that sets the command up was killed" };

export interface RelayParts {
  readonly command: Command;
  readonly frames: FrameReader;
  readonly terminal: Terminal | null;
  /** null: its stdin is at end-of-file. */
  readonly input: Input | null;
  readonly outputs: readonly { readonly type: number; readonly source: Source }[];
}

export class Relay {
  readonly #parts: RelayParts;
  readonly #outputs: Set<RelayParts["outputs"][number]>;
  readonly #children = new Children();
  readonly #set = new PollSet();
  readonly #chunk = Buffer.allocUnsafe(chunkBytes);
  #unsent: Buffer[] = [];
  #fed = false;
  #started = false;
  /** Of each kind the last that came before the command was there. */
  readonly #early = new Map<number, Frame>();
  #status: number | null = null;
  /** Nothing more will be told. */
  #over = false;

  constructor(parts: RelayParts) {
    this.#parts = parts;
    this.#outputs = new Set(parts.outputs);
    this.#children.add(parts.command.pid);
  }

  /** Until all has been told, or nobody listens any more. */
  run(): void {
    this.#takeFrames(); // what came together with the request
    while (!this.#over || this.#unsent.length > 0) {
      if (!this.#round()) return this.#hangUp();
    }
  }

  /** False: the server has hung up. */
  #round(): boolean {
    const { command, input } = this.#parts;
    const set = this.#set;
    const full = this.#unsent.length > 0;
    set.clear();
    const asked = set.add(asking, POLLIN);
    const told = set.add(telling, full ? POLLOUT : 0);
    const ended = set.add(this.#children.fd, POLLIN);
    command.watch(set);
    input?.watch(set);
    const food = set.add(this.#wantsFood() ? feeding : -1, POLLIN);
    const outputs = full || !this.#started ? [] : [...this.#outputs];
    const slots = outputs.map(({ source }) => set.add(source.fd, POLLIN));
    set.wait(this.#status !== null && !full ? 0 : (command.forbidden?.untilNextMs ?? -1));
    if ((set.ready(told) & ~POLLOUT) !== 0) return false;
    command.advance(set);
    this.#noticeStart();
    input?.advance(set);
    if (set.ready(food) !== 0) this.#feed();
    for (const [i, output] of outputs.entries()) if (set.ready(slots[i] as number) !== 0) this.#read(output);
    if (set.ready(ended) !== 0) this.#reap();
    return (set.ready(asked) === 0 || this.#listen()) && this.#tell();
  }

  #wantsFood(): boolean {
    return this.#parts.input?.ready === true && !this.#fed && this.#started;
  }

  #tell(): boolean {
    if (!this.#send()) return false;
    if (this.#status !== null && this.#unsent.length === 0 && !this.#over) this.#conclude(this.#status);
    return this.#send();
  }

  #noticeStart(): void {
    if (this.#started || this.#parts.command.setup !== "executed") return;
    this.#started = true;
    this.#unsent.push(encodeFrame(TellType.started, Buffer.alloc(0)));
    for (const frame of this.#early.values()) this.#obey(frame);
  }

  #reap(): void {
    const { command, terminal, input } = this.#parts;
    const found = this.#children.ended().length > 0 ? reap(command.pid) : null;
    if (found === null || found === "none") return;
    this.#status = found.status;
    command.finish();
    this.#noticeStart();
    input?.shut();
    terminal?.endOfWriters();
  }

  /** What its background processes still write is theirs: only what is there by now belongs to the command. */
  #conclude(status: number): void {
    for (const output of this.#outputs) {
      if (this.#started && this.#read(output)) return;
    }
    const { command } = this.#parts;
    const end = signalOf(status);
    const told: ExecEnd = { exitCode: exitOf(status), signal: end === null ? null : signalName(end) };
    if (this.#started) this.#unsent.push(encodeJson(TellType.exited, told));
    else this.#unsent.push(encodeJson(TellType.failed, typeof command.setup === "string" ? died : command.setup));
    this.#over = true;
  }

  /** False: there is nothing at the moment. */
  #read(output: RelayParts["outputs"][number]): boolean {
    const n = output.source.read(this.#chunk);
    if (n === null) return false;
    if (n > 0) this.#unsent.push(encodeFrame(output.type, this.#chunk.subarray(0, n)));
    else this.#outputs.delete(output);
    return n > 0;
  }

  #feed(): void {
    const { input } = this.#parts;
    const n = read(feeding, this.#chunk);
    if (n === null) return;
    this.#fed = n === 0;
    if (n === 0) input?.end();
    else input?.feed(this.#chunk.subarray(0, n));
  }

  /** False: nobody listens. */
  #send(): boolean {
    for (let next = this.#unsent[0]; next !== undefined; next = this.#unsent[0]) {
      const result = write(telling, next);
      if (typeof result === "string") return result === "blocked";
      if (result.written === next.length) this.#unsent.shift();
      else this.#unsent[0] = next.subarray(result.written);
    }
    return true;
  }

  #listen(): boolean {
    const n = read(asking, this.#chunk);
    if (n === 0) return false;
    if (n === null) return true;
    this.#parts.frames.push(Buffer.from(this.#chunk.subarray(0, n)));
    this.#takeFrames();
    return true;
  }

  #takeFrames(): void {
    const { frames } = this.#parts;
    for (let frame = frames.next(); frame !== null; frame = frames.next()) {
      if (this.#started) this.#obey(frame);
      else this.#early.set(frame.type, frame);
    }
  }

  #obey({ type, payload }: Frame): void {
    const said = JSON.parse(payload.toString());
    if (type === AskType.resize) this.#parts.terminal?.resize(said);
    else if (type === AskType.signal && this.#status === null) kill(this.#parts.command.pid, said);
  }

  #hangUp(): void {
    if (this.#status === null) killSession(this.#parts.command.pid);
  }
}
