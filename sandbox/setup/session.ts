// What a Node process leaves behind that a command must not inherit (fork keeps all of it, exec most of it).
import { getPriority, setPriority } from "node:os";
import { chownDescriptor, close, dup2, O_RDONLY, open } from "../sys/descriptors.ts";
import { joinNewSessionKeyring } from "../sys/keyring.ts";
import { getRlimit, RLIMIT_CORE, RLIMIT_NICE, RLIMIT_NOFILE, RLIMIT_RTPRIO, setRlimit } from "../sys/limits.ts";
import { setsid } from "../sys/process.ts";
import { leaveRealTime, resetIoPriority } from "../sys/scheduling.ts";
import type { Descent } from "./context.ts";

/** A session and process group of its own, without a controlling terminal (setsid(2)). */
export function startSession(): void {
  setsid();
}

/**
 * 0, 1 and 2 become the command's stdio, and dup2 clears their close-on-exec flag. Their owner becomes the job's user, or
 * opening /dev/stderr by name would be refused.
 */
export function placeStdio({ stdio, spec, idBase }: Descent): void {
  const input = spec.stdin === "stream" ? stdio.in : open("/dev/null", O_RDONLY);
  for (const fd of [stdio.in, stdio.out, stdio.err]) {
    chownDescriptor(fd, idBase + spec.user.uid, idBase + spec.user.gid);
  }
  dup2(input, 0);
  dup2(stdio.out, 1);
  dup2(stdio.err, 2);
  close(input);
}

const usualOpenFiles = 1024n;

/**
 * Node raises the soft RLIMIT_NOFILE to the hard one: back to the usual 1024. Only once what the process was forked with is closed:
 * beside a thousand running jobs that is more, and nothing could be opened any more.
 */
export function limitOpenFiles(): void {
  const { hard } = getRlimit(RLIMIT_NOFILE);
  setRlimit(RLIMIT_NOFILE, { soft: hard < usualOpenFiles ? hard : usualOpenFiles, hard });
}

/**
 * RLIMIT_CORE 1 is the one value with which neither a core file is written nor a `core_pattern` pipe handler of the host started
 * (core(5)). What the service manager lets the server do with priorities is not for jobs.
 */
export function resetLimits(): void {
  setRlimit(RLIMIT_CORE, { soft: 1n, hard: 1n });
  for (const priority of [RLIMIT_NICE, RLIMIT_RTPRIO]) setRlimit(priority, { soft: 0n, hard: 0n });
}

/** No job runs before other programs of the host because the server does; one that was made to wait still waits. */
export function resetScheduling(): void {
  leaveRealTime();
  if (getPriority() < 0) setPriority(0);
  resetIoPriority();
}

/**
 * Whoever holds a session keyring may read the keys in it, whatever uid it has (keyrings(7), "Possession"): the server's
 * would come along over fork and exec. As the job's user, so that the new one counts against its quota.
 */
export function leaveSessionKeyring(): void {
  joinNewSessionKeyring();
}
