import { readdirSync, readFileSync } from "node:fs";

/** Kills every process of the group; one that is gone already is fine. */
export function killGroup(group: number): void {
  // kill(0) and kill(-1) would hit the runner itself, or everything.
  if (group <= 1) return;
  try {
    process.kill(-group, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** The living processes of a group, as `pid command line`; proc_pid_stat(5). */
export function groupMembers(group: number): string[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => isLivingMember(pid, group)).map((pid) => `${pid} ${commandLine(pid)}`);
}

function isLivingMember(pid: string, group: number): boolean {
  const stat = readProc(`/proc/${pid}/stat`);
  // The name in parentheses may itself hold spaces and parentheses: the fields begin behind the last one.
  const [state, , processGroup] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(processGroup) === group && state !== "Z" && state !== "X";
}

/** The command line of a process with spaces between the arguments; "" when it is gone or a kernel thread. */
export function commandLine(pid: string): string {
  return readProc(`/proc/${pid}/cmdline`).split("\0").join(" ").trim();
}

/** "" when the process ended meanwhile. */
function readProc(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
