import { check, libc } from "./ffi.ts";

const setrlimit = libc("int setrlimit(int, const uint8_t*)");
const getrlimit = libc("int getrlimit(int, uint8_t*)");

/** sys/resource.h (x86 and arm64). */
export const RLIMIT_CORE = 4;
export const RLIMIT_NOFILE = 7;
export const RLIMIT_NICE = 13;
export const RLIMIT_RTPRIO = 14;

export interface Rlimit {
  readonly soft: bigint;
  readonly hard: bigint;
}

/** int setrlimit(int, const struct rlimit*); getrlimit(2). Raising a hard limit needs CAP_SYS_RESOURCE. */
export function setRlimit(resource: number, { soft, hard }: Rlimit): void {
  const value = Buffer.alloc(16);
  value.writeBigUInt64LE(soft, 0);
  value.writeBigUInt64LE(hard, 8);
  check(setrlimit(resource, value), "setrlimit", String(resource));
}

/** int getrlimit(int, struct rlimit*); getrlimit(2). */
export function getRlimit(resource: number): Rlimit {
  const value = Buffer.alloc(16);
  check(getrlimit(resource, value), "getrlimit", String(resource));
  return { soft: value.readBigUInt64LE(0), hard: value.readBigUInt64LE(8) };
}
