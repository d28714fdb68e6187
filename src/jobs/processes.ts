// Who a job's processes are: its folder's file `group`, which its supervisor writes before the command can have ended.
// A pid alone may be another process's by now; a pid with its start time is not, in the boot that job.json names.
import { join } from "node:path";
import { readText } from "./folder.ts";

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since the boot. */
  readonly startTicks: number;
}

export interface JobProcesses {
  /** null: not known, for the job is about to start or of a podium before 0.2. */
  readonly init: ProcessIdentity | null;
  readonly command: ProcessIdentity | null;
}

export function readProcesses(folder: string): JobProcesses {
  const [, ...lines] = readText(join(folder, "group")).split("\n");
  const find = (role: string) => {
    const [, pid, startTicks] = lines.map((line) => line.split(" ")).find(([name]) => name === role) ?? [];
    return startTicks === undefined ? null : { pid: Number(pid), startTicks: Number(startTicks) };
  };
  return { init: find("init"), command: find("command") };
}
