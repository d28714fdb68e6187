// What a Node process leaves behind that a command must not inherit (fork keeps all of it, exec most of it).
import { chownDescriptor, close, dup2, O_RDONLY, open } from "../sys/descriptors.ts";
import { getRlimit, RLIMIT_CORE, RLIMIT_NOFILE, setRlimit } from "../sys/limits.ts";
import { setsid } from "../sys/process.ts";
import { resetDispositions, unblockAllSignals } from "../sys/signals.ts";
import type { Context } from "./context.ts";

/** A session and process group of its own, without a controlling terminal (setsid(2)). */
export function startSession(): void {
  setsid();
}

/**
 * 0, 1 and 2 become the command's stdio, and dup2 clears their close-on-exec flag. Their owner becomes the job's user, or
 * opening /dev/stderr by name would be refused.
 */
export function placeStdio({ stdio, spec, idBase }: Context): void {
  const input = stdio.in ?? open("/dev/null", O_RDONLY);
  for (const fd of [stdio.in, stdio.out, stdio.err]) {
    if (fd !== null) chownDescriptor(fd, idBase + spec.user.uid, idBase + spec.user.gid);
  }
  dup2(input, 0);
  dup2(stdio.out, 1);
  dup2(stdio.err, 2);
  if (stdio.in === null) close(input);
}

const usualOpenFiles = 1024n;

/**
 * Node raises the soft RLIMIT_NOFILE to the hard one: back to the usual 1024. RLIMIT_CORE 1 is the one value with which
 * neither a core file is written nor a `core_pattern` pipe handler of the host started (core(5)).
 */
export function resetLimits(): void {
  const { hard } = getRlimit(RLIMIT_NOFILE);
  setRlimit(RLIMIT_NOFILE, { soft: hard < usualOpenFiles ? hard : usualOpenFiles, hard });
  setRlimit(RLIMIT_CORE, { soft: 1n, hard: 1n });
}

/** Node ignores SIGPIPE and SIGXFSZ, and init blocks everything. */
export function resetSignals(): void {
  resetDispositions();
  unblockAllSignals();
}

