import { check, libc } from "./ffi.ts";

const c = {
  setgroups: libc("int setgroups(size_t, const uint32_t*)"),
  setresgid: libc("int setresgid(uint32_t, uint32_t, uint32_t)"),
  setresuid: libc("int setresuid(uint32_t, uint32_t, uint32_t)"),
  capset: libc("int capset(const uint8_t*, const uint8_t*)"),
  umask: libc("unsigned int umask(unsigned int)"),
};

/** int setgroups(0, NULL); setgroups(2). */
export function dropGroups(): void {
  check(c.setgroups(0, null), "setgroups");
}

/** setresgid and setresuid: real, effective and saved ids, as the current user namespace names them. */
export function setIds(uid: number, gid: number): void {
  check(c.setresgid(gid, gid, gid), "setresgid", String(gid));
  check(c.setresuid(uid, uid, uid), "setresuid", String(uid));
}

const LINUX_CAPABILITY_VERSION_3 = 0x20080522;

/**
 * int capset(hdr, data); capset(2). Effective and permitted become exactly `permitted` (bit n = capability n); the ambient
 * set, which the kernel keeps a subset of permitted and inheritable, shrinks with them.
 */
export function setCapabilities(permitted: bigint, inheritable = permitted): void {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(LINUX_CAPABILITY_VERSION_3, 0);
  const data = Buffer.alloc(24);
  for (const half of [0, 1]) {
    const bits = (mask: bigint) => Number((mask >> BigInt(32 * half)) & 0xffffffffn);
    for (const set of [0, 1]) data.writeUInt32LE(bits(permitted), half * 12 + set * 4);
    data.writeUInt32LE(bits(inheritable), half * 12 + 8);
  }
  check(c.capset(header, data), "capset");
}

/** mode_t umask(mode_t); umask(2). Returns the mask that was in force. */
export function setUmask(mask: number): number {
  return c.umask(mask);
}
