import { constants } from "node:os";
import { check, errno, libc } from "./ffi.ts";
import { sysno } from "./numbers.ts";

const keyctl = libc("long syscall(long, int, const char*)");

const KEYCTL_JOIN_SESSION_KEYRING = 1;

/** keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL): a new, empty, anonymous session keyring; keyctl(2). */
export function joinNewSessionKeyring(): void {
  if (keyctl(sysno.keyctl, KEYCTL_JOIN_SESSION_KEYRING, null) >= 0) return;
  if (errno() === constants.errno.ENOSYS) return; // a kernel without keys has none to share
  check(-1, "keyctl(KEYCTL_JOIN_SESSION_KEYRING)");
}
