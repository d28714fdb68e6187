import { libc } from "./ffi.ts";

const adjtimex = libc("int adjtimex(uint8_t*)");
/** More than struct timex has on any architecture; all zero asks and sets nothing. */
const timexBytes = 256;
const TIME_ERROR = 5;

/** adjtimex(2) with no mode: whether the kernel knows that something (NTP, the hypervisor) keeps the clock right. */
export function clockIsKept(): boolean {
  const state = adjtimex(Buffer.alloc(timexBytes));
  return state >= 0 && state !== TIME_ERROR;
}
