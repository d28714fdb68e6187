// The host's view of processes, and an innocent one that must outlive every attack.
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** Whether a process runs; one that is dead and only waits to be reaped does not. */
export function living(pid: number): boolean {
  const state = stateOf(pid);
  return state !== null && state !== "Z" && state !== "X";
}

/** The letter of proc_pid_stat(5); null when there is no such process. */
export function stateOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
  } catch {
    return null;
  }
}

/** Whether a process with this command line has a terminal's foreground to itself and waits there; proc_pid_stat(5). */
export function inForeground(commandLine: string): boolean {
  return readdirSync("/proc").some((pid) => {
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0").join(" ").trim() !== commandLine) return false;
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      const [state, , group, , , foreground] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return state === "S" && group === foreground;
    } catch {
      return false; // no process, or gone meanwhile
    }
  });
}

/** Pids of the children of a process, the oldest first. */
export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean).map(Number);
}

/** Pids of the children of a process, of their children, and so on. */
export function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

/** The processes of one running `podium sandbox`, by podium's pid. Throws when one of them is not there. */
export function familyOf(podium: number): { zygote: number; init: number; command: number } {
  const only = (pid: number, what: string) => {
    const child = childrenOf(pid)[0];
    if (child === undefined) throw new Error(`there is no ${what}`);
    return child;
  };
  const zygote = only(podium, "zygote");
  const init = only(zygote, "init");
  return { zygote, init, command: only(init, "command") };
}

/** A process outside of every job, which ends with its scope (`using`). */
export class Canary implements Disposable {
  readonly #process: ChildProcess = spawn("sleep", ["300"], { stdio: "ignore", detached: true });

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get lives(): boolean {
    return living(this.pid);
  }

  [Symbol.dispose](): void {
    this.#process.kill("SIGKILL");
  }
}
