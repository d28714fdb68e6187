import { check, libc } from "./ffi.ts";

const eventfdCall = libc("int eventfd(unsigned int, int)");

const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

/**
 * `int eventfd(unsigned int initval, int flags)`, eventfd(2): a counter at 0 that polls readable once something adds
 * to it; close-on-exec, and read(2) gives EAGAIN instead of waiting.
 */
export function eventfd(): number {
  return check(eventfdCall(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
}
