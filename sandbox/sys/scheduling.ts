import { check, checkLong, libc } from "./ffi.ts";
import { readSmall } from "./files.ts";
import { sysno } from "./numbers.ts";

const c = {
  setScheduler: libc("int sched_setscheduler(int, int, const uint8_t*)"),
  setIoPriority: libc("long syscall(long, int, int, int)"),
};

const SCHED_OTHER = 0;
const IOPRIO_WHO_PROCESS = 1;

/** sched_setscheduler(0, SCHED_OTHER, {0}): the usual time-sharing policy, out of any real-time one; sched(7). */
export function leaveRealTime(): void {
  check(c.setScheduler(0, SCHED_OTHER, Buffer.alloc(4)), "sched_setscheduler");
}

/** ioprio_set(IOPRIO_WHO_PROCESS, 0, 0): no I/O class of its own, so that it follows the nice value; ioprio_set(2). */
export function resetIoPriority(): void {
  checkLong(c.setIoPriority(sysno.ioprio_set, IOPRIO_WHO_PROCESS, 0, 0), "ioprio_set");
}

const CAP_SYS_NICE = 23;
const lineOfCapabilities = "CapEff:";

/** Whether this process may take a lower nice value than it has: CAP_SYS_NICE is in effect (proc_pid_status(5), capabilities(7)). */
export function mayRaisePriority(): boolean {
  const line = readSmall("/proc/self/status")
    .split("\n")
    .find((text) => text.startsWith(lineOfCapabilities));
  const mask = BigInt(`0x${line?.slice(lineOfCapabilities.length).trim() ?? "0"}`);
  return ((mask >> BigInt(CAP_SYS_NICE)) & 1n) === 1n;
}
