// The only file that loads koffi. Everything else in sandbox/sys declares calls with `libc(...)` and passes their
// results through the one gate, `check` (or `checkLong`), which turns -1 into a SyscallError.
import koffi from "koffi";
import { SyscallError } from "./errors.ts";

const library = koffi.load("libc.so.6");

/** One libc function by its C prototype, for example `libc("int dup2(int, int)")`. */
// biome-ignore lint/suspicious/noExplicitAny: the prototype string is the type; the wrapper beside each use gives it to TypeScript.
export type NativeFunction = (...args: any[]) => any;

export function libc(prototype: string): NativeFunction {
  return library.func(prototype);
}

/** Where a libc function is in memory, for a call that takes one. */
export function functionAddress(name: string): bigint {
  return koffi.address(library.symbol(name));
}

/** A JavaScript function for a libc call that takes a `void (*)(void)`; it is never freed. */
export function callbackAddress(callback: () => void): bigint {
  return koffi.address(koffi.register(callback, koffi.pointer(koffi.proto("void", []))));
}

const memchr = library.func("uintptr_t memchr(const uint8_t*, int, size_t)");

/** Address of a buffer's first byte: memchr finds it there. The caller keeps the buffer alive. */
export function addressOf(buffer: Buffer): bigint {
  return BigInt(memchr(buffer, buffer[0] ?? 0, buffer.length));
}

/** A second shared library (libseccomp); null when the host does not have it. */
export function loadLibrary(soname: string): ((prototype: string) => NativeFunction) | null {
  try {
    const handle = koffi.load(soname);
    return (prototype) => handle.func(prototype);
  } catch {
    return null;
  }
}

/** errno of the call just made. Valid only as the very next expression after it. */
export function errno(): number {
  return koffi.errno();
}

/** The errno gate: returns a result >= 0, or throws the call's errno with what it was about. */
export function check(result: number, call: string, about = ""): number {
  if (result >= 0) return result;
  throw new SyscallError(call, koffi.errno(), about);
}

/** The same for calls that return `long` (ssize_t), which koffi gives as number or bigint. */
export function checkLong(result: number | bigint, call: string, about = ""): number {
  if (result >= 0) return Number(result);
  throw new SyscallError(call, koffi.errno(), about);
}
