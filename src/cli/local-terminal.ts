// The terminal that podium itself runs in: its size, raw mode, and leaving it as it was found, whatever happens.
import { spawnSync } from "node:child_process";
import type { ReadStream, WriteStream } from "node:tty";
import type { TerminalSize } from "../../sandbox/spec.ts";
import { CliError } from "./failure.ts";
import { ScreenModes } from "./screen-modes.ts";

/** What ends a program at once, and would leave the terminal raw. */
const endings = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"] as const;
/** A terminal that tells no size. */
const usualSize: TerminalSize = { rows: 24, columns: 80 };

/** Where nothing is a terminal, the size that most have. */
export function localSize(): TerminalSize {
  const screen = [process.stdout, process.stderr].find(({ isTTY }) => isTTY) as WriteStream | undefined;
  return screen === undefined ? usualSize : { rows: screen.rows, columns: screen.columns };
}

/** The job writes for the terminal that podium runs in. */
export function ownTerm(): string[] {
  const { TERM = "" } = process.env;
  return TERM === "" ? [] : [`TERM=${TERM}`];
}

export class LocalTerminal implements Disposable {
  readonly #keys = process.stdin as ReadStream;
  readonly #modes = new ScreenModes();
  #raw = false;
  #onResize: (() => void) | null = null;

  /** Throws CliError when stdin is no terminal; `option` is what wants one. */
  static demand(option: string): LocalTerminal {
    if (process.stdin.isTTY) return new LocalTerminal();
    throw new CliError(`${option}: stdin is not a terminal`, `leave ${option} out, or run podium in a terminal`);
  }

  /** From here on every key is a byte, Ctrl-C too; `resized` is told of each new size, and of the present one now. */
  enter(resized: (size: TerminalSize) => void): void {
    this.#raw = true;
    this.#keys.on("error", () => {}); // a terminal that is gone: its end follows
    this.#makeRaw();
    this.#onResize = () => resized(localSize());
    process.on("SIGWINCH", this.#onResize);
    process.on("SIGCONT", this.#reenter);
    for (const name of endings) if (process.listenerCount(name) === 0) process.on(name, this.#end);
    resized(localSize());
  }

  /** What is about to be shown: remembers which modes of the screen it switches on. */
  note(bytes: Buffer): void {
    this.#modes.note(bytes);
  }

  /** A shell that had stopped podium has taken the terminal back meanwhile. */
  readonly #reenter = (): void => {
    this.#keys.setRawMode(false);
    this.#makeRaw();
  };

  /**
   * Raw in both directions. Node's raw mode still puts a carriage return before each line feed, which is for the job's terminal to
   * decide: full-screen programs switch it off there and move the cursor straight down. Leaving Node's mode takes it back too.
   */
  #makeRaw(): void {
    this.#keys.setRawMode(true);
    spawnSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] }); // without stty, as well as Node can
  }

  readonly #end = (name: NodeJS.Signals): void => {
    this[Symbol.dispose]();
    process.kill(process.pid, name);
  };

  /** Also takes back what the job has done to the screen and had no time to undo. */
  [Symbol.dispose](): void {
    if (!this.#raw) return;
    this.#raw = false;
    this.#keys.setRawMode(false);
    if (this.#onResize !== null) process.off("SIGWINCH", this.#onResize);
    process.off("SIGCONT", this.#reenter);
    for (const name of endings) process.off(name, this.#end);
    if (process.stdout.isTTY) process.stdout.write(this.#modes.undo());
  }
}
