// A real terminal for the real command line: a tmux of the test's own, with a shell in it whose screen can be read.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { inForeground } from "./processes.ts";
import { temporaryFolder } from "./temporary-folder.ts";
import { until } from "./until.ts";

const patienceMs = 60_000;

export class Tmux implements Disposable {
  readonly #folder = temporaryFolder();

  /** bash without anybody's start-up files, prompt `$ `, in a terminal of this size. */
  constructor(env: Readonly<Record<string, string>> = {}, { columns = 80, rows = 24 } = {}) {
    const variables = { PS1: "$ ", HISTFILE: "", PATH: process.env.PATH ?? "", ...env };
    const settings = Object.entries(variables).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
    const shell = ["bash", "--norc", "--noprofile"];
    this.#tmux(
      "-f",
      "/dev/null",
      "new-session",
      "-d",
      "-x",
      String(columns),
      "-y",
      String(rows),
      ...settings,
      ...shell,
    );
    this.#tmux("set-option", "-g", "status", "off");
    this.resize(columns, rows);
  }

  #tmux(...args: string[]): string {
    const env = { PATH: process.env.PATH ?? "", LANG: "C.UTF-8", TMUX_TMPDIR: this.#folder.path };
    return execFileSync("tmux", ["-u", "-L", "test", ...args], { encoding: "utf8", env });
  }

  /** Text as it is. */
  type(text: string): void {
    this.#tmux("send-keys", "-l", text);
  }

  /** Keys by their tmux names: Enter, C-c, C-\\. */
  press(...keys: string[]): void {
    this.#tmux("send-keys", ...keys);
  }

  /** A line and Enter. */
  line(text: string): void {
    this.type(text);
    this.press("Enter");
  }

  /** Presses a key when this command, just started in a job's terminal, is what the key will reach. */
  async pressAt(commandLine: string, key: string): Promise<void> {
    await until(`${commandLine} in the foreground\n${this.screen()}`, () => inForeground(commandLine));
    this.press(key);
  }

  resize(columns: number, rows: number): void {
    this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** What the screen shows, with what has scrolled away above it. */
  screen(): string {
    return this.#tmux("capture-pane", "-p", "-S", "-").trimEnd();
  }

  /** Resolves with the screen when it shows this; throws with what it does show. */
  async shows(wanted: RegExp, what = ""): Promise<string> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const screen = this.screen();
      if (wanted.test(screen)) return screen;
      if (performance.now() > deadline) throw new Error(`${what} not on the screen: ${wanted}\n${screen}`);
      await sleep(30);
    }
  }

  /** Pid of the program that the shell has started. */
  childPid(): number {
    const shell = this.#tmux("display-message", "-p", "#{pane_pid}").trim();
    return Number(readFileSync(`/proc/${shell}/task/${shell}/children`, "utf8").trim().split(" ").at(-1));
  }

  /** The settings of the terminal as stty tells them, asked from its shell. */
  async settings(): Promise<string> {
    const file = join(this.#folder.path, `stty-${performance.now()}`);
    this.line(`stty -a > ${file}.new; mv ${file}.new ${file}`);
    const deadline = performance.now() + patienceMs;
    for (;;) {
      try {
        return readFileSync(file, "utf8");
      } catch (error) {
        if (performance.now() > deadline) throw new Error(`no shell answers:\n${this.screen()}`, { cause: error });
        await sleep(30);
      }
    }
  }

  [Symbol.dispose](): void {
    try {
      this.#tmux("kill-server");
    } finally {
      this.#folder[Symbol.dispose]();
    }
  }
}
