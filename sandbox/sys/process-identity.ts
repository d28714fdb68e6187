// Which process a pid means: numbers are given out again, a number together with its start time is not in one boot.
import { readFileSync } from "node:fs";
import { close, O_DIRECTORY, O_RDONLY, open } from "./descriptors.ts";
import { isGone } from "./errors.ts";
import { readSmall } from "./files.ts";

export interface ProcessIdentity {
  /** As the host sees it. */
  readonly pid: number;
  /** Clock ticks since the boot; field 22 of proc_pid_stat(5). */
  readonly startTicks: number;
}

/** Of the process with this folder of the host's /proc. null: there is none (any more). */
export function identityIn(folder: string): ProcessIdentity | null {
  try {
    return identityOf(readSmall(`${folder}/stat`));
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

function identityOf(stat: string): ProcessIdentity {
  return { pid: Number.parseInt(stat, 10), startTicks: Number(fieldsOf(stat)[19]) };
}

/** From the third on. The name between the brackets before is the process's own choice. */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Whether somebody has stopped a process that is there (SIGSTOP, a debugger). */
export function isStopped(pid: number): boolean {
  const stat = readSmall(`/proc/${pid}/stat`);
  const state = stat[stat.lastIndexOf(")") + 2];
  return state === "T" || state === "t";
}

/**
 * Of a process that somebody has stopped (SIGSTOP, a debugger) how often it has run: while that stays the same it has done
 * nothing. null: it is not stopped, or gone. The first thread's lines of proc_pid_status(5).
 */
export function haltOf({ pid, startTicks }: ProcessIdentity): string | null {
  if (identityIn(`/proc/${pid}`)?.startTicks !== startTicks) return null;
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    if (!/^State:\s+[Tt]/m.test(status)) return null;
    return (status.match(/^(non)?voluntary_ctxt_switches:.*$/gm) ?? []).join(" ");
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

/**
 * A descriptor of the process's folder in /proc, through which no other process is ever reached. null: it is gone, whoever
 * has its number now. `startTicks` null: nobody wrote down when it started.
 */
export function openProcess(pid: number, startTicks: number | null): number | null {
  let folder: number;
  try {
    folder = open(`/proc/${pid}`, O_RDONLY | O_DIRECTORY);
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
  const found = identityIn(`/proc/self/fd/${folder}`);
  if (found !== null && (startTicks === null || found.startTicks === startTicks)) return folder;
  close(folder);
  return null;
}
