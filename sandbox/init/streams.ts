// The command's stdin, stdout and stderr, from both sides: pipes, or a terminal that takes their place.
import type { Descent } from "../setup/context.ts";
import type { ProgramSpec } from "../spec.ts";
import { close, pipe } from "../sys/descriptors.ts";
import { type Input, PipeInput } from "./input.ts";
import { PipeSource, type Source } from "./source.ts";
import { Terminal } from "./terminal.ts";

/** init's side, once it is known what the command wants. */
export interface Streams {
  readonly input: Input | null;
  /** What is written to a terminal is a single stream. */
  readonly sources: readonly Source[];
  readonly terminal: Terminal | null;
}

/** Made before the request is known. */
export class Pipes {
  readonly #input = new PipeInput();
  readonly #out = pipe();
  readonly #err = pipe();

  /** The command's ends. */
  get stdio(): Descent["stdio"] {
    return { in: this.#input.readEnd, out: this.#out.write, err: this.#err.write };
  }

  /** init's ends, or those of a terminal, which the command opens (Command.terminal). */
  streams({ stdin, terminal }: ProgramSpec): Streams {
    const typed = stdin === "stream";
    if (!typed || terminal !== null) this.#input.shut();
    const sources = [this.#out, this.#err].map(({ read }) => new PipeSource(read));
    if (terminal === null) return { input: typed ? this.#input : null, sources, terminal: null };
    for (const source of sources) source.close();
    const pty = new Terminal(typed);
    return { input: pty.input, sources: [pty], terminal: pty };
  }

  /** In init, when the command's process has its own. */
  closeCommandEnds(): void {
    this.#input.closeReadEnd();
    close(this.#out.write);
    close(this.#err.write);
  }
}
