// Killing a command and whatever is in its session (setsid(2)), from outside of its pid namespace.
import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { kill } from "../sys/process.ts";

const { SIGKILL } = constants.signals;
/** Whoever forks faster than this looks stays in the job, and dies with it. */
const mostRounds = 50;

/** `leader` is a child that nobody has reaped: its number, which is the session's too, belongs to nobody else meanwhile. */
export function killSession(leader: number): void {
  kill(leader, SIGKILL);
  for (let round = 0; round < mostRounds; round++) {
    const members = readdirSync("/proc").filter((name) => isMember(name, leader));
    if (members.length === 0) return;
    for (const pid of members) kill(Number(pid), SIGKILL);
  }
}

/** Whether it is of the session and not dead yet (proc_pid_stat(5)). */
function isMember(name: string, session: number): boolean {
  if (!/^\d+$/.test(name)) return false;
  try {
    const stat = readFileSync(`/proc/${name}/stat`, "latin1");
    const [state = "", , , sid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(sid) === session && !"ZX".includes(state);
  } catch {
    return false; // it has gone
  }
}
