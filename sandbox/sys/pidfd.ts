import { constants } from "node:os";
import { close } from "./descriptors.ts";
import { checkLong, errno, libc } from "./ffi.ts";
import { sysno } from "./numbers.ts";
import { identityIn, type ProcessIdentity } from "./process-identity.ts";

const c = {
  pidfdOpen: libc("long syscall(long, int, unsigned int)"),
  pidfdSendSignal: libc("long syscall(long, int, int, void*, unsigned int)"),
};

/**
 * pidfd_open(pid, 0), then pidfd_send_signal(pidfd, SIGKILL, NULL, 0); pidfd_send_signal(2). No other process is ever reached,
 * whoever has the number meanwhile. False: the process is gone.
 */
export function killProcess({ pid, startTicks }: ProcessIdentity): boolean {
  const pidfd = c.pidfdOpen(sysno.pidfd_open, pid, 0);
  if (Number(pidfd) < 0) return goneOr(pidfd, "pidfd_open", pid);
  try {
    if (identityIn(`/proc/${pid}`)?.startTicks !== startTicks) return false;
    const sent = c.pidfdSendSignal(sysno.pidfd_send_signal, Number(pidfd), constants.signals.SIGKILL, null, 0);
    return Number(sent) === 0 || goneOr(sent, "pidfd_send_signal", pid);
  } finally {
    close(Number(pidfd));
  }
}

function goneOr(result: number | bigint, call: string, pid: number): false {
  if (errno() !== constants.errno.ESRCH) checkLong(result, call, String(pid));
  return false;
}
