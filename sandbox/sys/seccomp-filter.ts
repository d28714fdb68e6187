import { addressOf, checkLong, libc } from "./ffi.ts";
import { sysno } from "./numbers.ts";

const seccomp = libc("long syscall(long, unsigned int, unsigned int, const uint8_t*)");

const SECCOMP_SET_MODE_FILTER = 1;
const filterBytes = 8;

const SECCOMP_FILTER_FLAG_NEW_LISTENER = 8;

/** seccomp(SECCOMP_SET_MODE_FILTER, 0, &fprog); seccomp(2). `program` is `struct sock_filter[]`; needs no_new_privs. */
export function installSeccompFilter(program: Buffer): void {
  install(program, 0);
}

/** The same with SECCOMP_FILTER_FLAG_NEW_LISTENER: the listener is the lowest free descriptor, closed by exec. */
export function installNotifyingFilter(program: Buffer): void {
  install(program, SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

function install(program: Buffer, flags: number): void {
  const fprog = Buffer.alloc(16);
  fprog.writeUInt16LE(program.length / filterBytes, 0);
  fprog.writeBigUInt64LE(addressOf(program), 8);
  checkLong(seccomp(sysno.seccomp, SECCOMP_SET_MODE_FILTER, flags, fprog), "seccomp");
}
