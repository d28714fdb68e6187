// Who is who of a job, for a server that comes later: below the name of the control group in the folder's file `group`.
import { identityIn } from "../sys/process-identity.ts";

/** A line each for its supervisor and its command, by their names in /proc: pid and start time. None of one that has gone. */
export function processLines(init: number, command: number | "self"): string {
  const identities = { init: identityIn(`/proc/${init}`), command: identityIn(`/proc/${command}`) };
  return Object.entries(identities)
    .map(([role, found]) => (found === null ? "" : `${role} ${found.pid} ${found.startTicks}\n`))
    .join("");
}
