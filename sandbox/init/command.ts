// The command's process, from init's side: how it comes to be, and what its set-up reported.
import { execRefusal } from "../setup/program.ts";
import { stepFailure } from "../setup/step.ts";
import { execMark } from "../setup/steps.ts";
import { terminalMark } from "../setup/terminal.ts";
import { receive } from "../sys/descriptor-passing.ts";
import { close, read } from "../sys/descriptors.ts";
import { POLLIN, type PollSet } from "../sys/poll.ts";
import { fork } from "../sys/process.ts";
import { socketPair } from "../sys/socketpair.ts";
import { type Program, spawnWithFiles, unshareFiles } from "../sys/vfork.ts";
import type { SetupFailure } from "../zygote/protocol.ts";
import { ForbiddenCalls } from "./forbidden-calls.ts";
import type { Terminal } from "./terminal.ts";

/** `pending` at the end means that the process died before it could say anything. */
export type Setup = "pending" | "executed" | SetupFailure;

/** A longer report comes in several. */
const reportChunk = 2 << 10;
const pidBytes = 4;

const marked = new RegExp(`^${terminalMark}?(?:(${execMark})(\\d*))?(.*)$`, "s");

export class Command {
  /** As the job's pid namespace sees it: what init signals and reaps. */
  readonly pid: number;
  readonly #status: number;
  #report = Buffer.alloc(0);
  /** SandboxSpec.callNames, once the request is known. */
  callNames: readonly string[] = [];
  /** Gets both sides of the terminal that the command opens; null where the request wants none. */
  terminal: Terminal | null = null;
  #slot = -1;
  setup: Setup = "pending";
  /** Of a job whose profile kills, from the moment when its filter is being installed. */
  forbidden: ForbiddenCalls | null = null;

  private constructor(pid: number, status: number) {
    this.pid = pid;
    this.#status = status;
  }

  /** `become` turns a forked process into the command (setup/steps.ts). */
  static fork(become: (status: number) => never): Command {
    const [ours, theirs] = socketPair();
    const pid = fork();
    if (pid === 0) become(theirs);
    close(theirs);
    return new Command(pid, ours);
  }

  /**
   * A child in this process's memory, which stands still until the child has exec'd (sys/vfork.ts). With this process's
   * descriptors too, and all of its rights, it runs `begin`; with a copy of them, when that says so, `become`. What `begin`
   * throws is thrown here; null when it said no.
   */
  static share(begin: () => boolean, become: (status: number) => Program | null): Command | null {
    const [ours, theirs] = socketPair();
    let [begun, path] = [false, ""];
    const { pid, refused } = spawnWithFiles(() => {
      begun = begin();
      if (!begun) return null;
      unshareFiles();
      const program = become(theirs);
      path = program?.path ?? "";
      return program;
    });
    close(theirs);
    const command = new Command(pid, ours);
    if (refused !== 0) {
      command.finish();
      command.setup = stepFailure("exec", execRefusal(path, refused));
    }
    return begun ? command : null;
  }

  /** As the host sees it; known once `setup` is no longer pending. */
  get hostPid(): number {
    return this.#report.length < pidBytes ? 0 : this.#report.readUInt32LE(0);
  }

  watch(set: PollSet): void {
    this.forbidden?.watch(set);
    this.#slot = this.setup === "pending" ? set.add(this.#status, POLLIN) : -1;
  }

  advance(set: PollSet): void {
    this.#noticeForbidden(set);
    if (this.#slot >= 0 && set.ready(this.#slot) !== 0) this.finish();
  }

  /** A command that is held has not closed the status pipe unless it was exec'd before; once killed, it has in any case. */
  #noticeForbidden(set: PollSet): void {
    if (this.forbidden === null) return;
    this.finish();
    this.forbidden.advance(set);
    const { name } = this.forbidden;
    if (name === "" || this.setup !== "pending") return;
    const message = `seccomp: the profile kills for ${name}, which it takes to start the command`;
    this.setup = { step: "seccomp", errno: "", message };
  }

  /** Reads what the set-up reported (steps.ts): the host pid, the marks, or the failed step; exec closes the socket. */
  finish(): void {
    while (this.setup === "pending") {
      const chunk = Buffer.allocUnsafe(reportChunk);
      const n = this.#read(chunk);
      if (n === null || n === 0) return this.#conclude(n === 0);
      this.#report = Buffer.concat([this.#report, chunk.subarray(0, n)]);
    }
  }

  #read(chunk: Buffer): number | null {
    if (this.terminal === null) return read(this.#status, chunk);
    const { bytes, descriptors } = receive(this.#status, chunk);
    const [master, slave] = descriptors;
    if (master !== undefined && slave !== undefined) this.terminal.take(master, slave);
    return bytes;
  }

  #said(): string {
    return this.#report.toString("utf8", pidBytes);
  }

  /** A filter or exec that failed reports after the marks. */
  #conclude(closed: boolean): void {
    const [, executing, listener, report = ""] = marked.exec(this.#said()) ?? [];
    if (!closed && listener && this.forbidden === null) {
      this.forbidden = new ForbiddenCalls(this.pid, Number(listener), this.#status, this.callNames);
    }
    if (!closed) return;
    if (report !== "") this.setup = JSON.parse(report) as SetupFailure;
    else if (executing !== undefined) this.setup = "executed";
  }
}
