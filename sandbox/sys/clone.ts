import { constants } from "node:os";
import { errno, libc } from "./ffi.ts";
import { sysno } from "./numbers.ts";

const clone3 = libc("long syscall(long, const uint8_t*, size_t)");

/** clone3(NULL, 0), which clones nothing: EINVAL where the kernel (5.3) and every filter above know the call, else ENOSYS or EPERM. */
export function hasClone3(): boolean {
  clone3(sysno.clone3, null, 0);
  return errno() === constants.errno.EINVAL;
}
