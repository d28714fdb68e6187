// Who asks from inside jobs: a few processes at a time, whatever users ask for.
import { readFileSync } from "node:fs";
import { NetworkError } from "../errors.ts";
import {
  type ProbedProcess,
  type ProbePlace,
  type ProbeResult,
  type ProbeTarget,
  parseTarget,
} from "../reachability.ts";
import { probe } from "./client.ts";

const mostAtOnce = 4;
const nobody = 65_534;
/** Ids below are the host's own; no job has one (sandbox/zygote/user-namespaces.ts). */
const lowestJobId = 65_536;

export class ProbeQueue {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  async ask(place: ProbePlace, target: ProbeTarget, timeoutMs: number): Promise<ProbeResult> {
    while (this.#running >= mostAtOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running += 1;
    try {
      return await probe({ ...place, target, timeoutMs });
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  /** From inside the job whose command has this pid. Throws NetworkError (invalid for the target, failed when it is over). */
  async askFrom(command: ProbedProcess, target: string, timeoutMs: number): Promise<ProbeResult> {
    return this.ask(placeOf(command), parseTarget("target", target), timeoutMs);
  }
}

/** Before there is a command: the rights of nobody in a namespace that is ready for one. */
export function placeBefore(namespace: string, names: { hosts: string; resolvConf: string }): ProbePlace {
  return { process: null, namespace, ...names, uid: nobody, gid: nobody };
}

/** Where a command is: its namespace, its own files, its real ids (proc_pid_status(5)). */
function placeOf(command: ProbedProcess): ProbePlace {
  const [uid, gid] = ["Uid", "Gid"].map((name) => realId(command.pid, name));
  return { process: command, namespace: "", hosts: "", resolvConf: "", uid: uid ?? nobody, gid: gid ?? nobody };
}

function realId(pid: number, name: string): number {
  const found = new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(statusOf(pid))?.[1];
  const id = Number(found ?? nobody);
  return id < lowestJobId ? nobody : id;
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    throw new NetworkError("failed", "the job is over");
  }
}
