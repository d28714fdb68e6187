import { check, libc } from "./ffi.ts";

const c = { mount: libc("int mount(const char*, const char*, const char*, unsigned long, const char*)") };

const MS_REC = 16384;
const MS_SHARED = 1 << 20;

/** mount(NULL, target, NULL, MS_REC | MS_SHARED): what is mounted below is seen by all that share it; mount(2). */
export function makeShared(target: string): void {
  check(c.mount(null, target, null, MS_REC | MS_SHARED, null), "mount(MS_SHARED)", target);
}
