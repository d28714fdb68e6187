// libseccomp, thin and typed. Its functions return -errno instead of setting errno, so they have a gate of their own.
import { fstatSync, readSync } from "node:fs";
import { constants } from "node:os";
import { close } from "./descriptors.ts";
import { SyscallError } from "./errors.ts";
import { check, libc, loadLibrary, type NativeFunction } from "./ffi.ts";

const memfdCreate = libc("int memfd_create(const char*, unsigned int)");
const copyOut = libc("void* memcpy(uint8_t*, const void*, size_t)");
const MFD_CLOEXEC = 1;

/** scmp_filter_ctx: an opaque pointer, valid until `seccompRelease`. */
export type FilterContext = unknown;

/** enum scmp_filter_attr of seccomp.h, as far as it is used here. */
export const filterAttribute = { badArchitecture: 2, optimize: 8 } as const;

/** `(argument & mask) == value`, which is struct scmp_arg_cmp with SCMP_CMP_MASKED_EQ. */
export interface MaskedEqual {
  /** Argument 0 to 5. */
  readonly argument: number;
  readonly mask: bigint;
  readonly value: bigint;
}

const SCMP_CMP_MASKED_EQ = 7;
const comparisonBytes = 24;
/** __NR_SCMP_ERROR: no architecture has a call of that name. Other negative numbers: only other architectures do. */
const NR_SCMP_ERROR = -1;

const prototypes = {
  init: "void* seccomp_init(uint32_t)",
  release: "void seccomp_release(void*)",
  attrSet: "int seccomp_attr_set(void*, int, uint32_t)",
  ruleAdd: "int seccomp_rule_add_array(void*, uint32_t, int, unsigned int, const uint8_t*)",
  exportBpf: "int seccomp_export_bpf(void*, int)",
  resolveName: "int seccomp_syscall_resolve_name_arch(uint32_t, const char*)",
  resolveNumber: "const char* seccomp_syscall_resolve_num_arch(uint32_t, int)",
  apiGet: "unsigned int seccomp_api_get()",
  version: "const uint32_t* seccomp_version()",
} as const;

type Library = Readonly<Record<keyof typeof prototypes, NativeFunction>>;
let loaded: Library | undefined;

function library(): Library {
  if (loaded !== undefined) return loaded;
  const declare = loadLibrary("libseccomp.so.2");
  if (declare === null) {
    throw new Error(
      "seccomp filters need the library libseccomp.so.2, which this host does not have: apt-get install libseccomp2",
    );
  }
  const functions = Object.entries(prototypes).map(([name, prototype]) => [name, declare(prototype)]);
  loaded = Object.fromEntries(functions) as Library;
  return loaded;
}

/** The -errno gate of libseccomp: passes results >= 0 on, throws the others. */
function checkSeccomp(result: number, call: string, about = ""): number {
  if (result >= 0) return result;
  throw new SyscallError(call, -result, about);
}

/** scmp_filter_ctx seccomp_init(def_action); seccomp_init(3). The filter is for the host's own architecture. */
export function seccompInit(defaultAction: number): FilterContext {
  const context: FilterContext = library().init(defaultAction);
  if (context === null) throw new SyscallError("seccomp_init", constants.errno.EINVAL, `action ${defaultAction}`);
  return context;
}

/** void seccomp_release(ctx); seccomp_release(3). */
export function seccompRelease(context: FilterContext): void {
  library().release(context);
}

/** int seccomp_attr_set(ctx, attr, value); seccomp_attr_set(3). */
export function seccompAttributeSet(context: FilterContext, attribute: number, value: number): void {
  checkSeccomp(library().attrSet(context, attribute, value), "seccomp_attr_set", `${attribute}`);
}

/** int seccomp_rule_add_array(ctx, action, syscall, arg_cnt, arg_array); seccomp_rule_add_array(3). */
export function seccompRuleAdd(
  context: FilterContext,
  action: number,
  syscall: number,
  comparisons: readonly MaskedEqual[],
): void {
  const array = Buffer.alloc(comparisonBytes * Math.max(comparisons.length, 1));
  for (const [i, comparison] of comparisons.entries()) {
    array.writeUInt32LE(comparison.argument, i * comparisonBytes);
    array.writeUInt32LE(SCMP_CMP_MASKED_EQ, i * comparisonBytes + 4);
    array.writeBigUInt64LE(comparison.mask, i * comparisonBytes + 8);
    array.writeBigUInt64LE(comparison.value, i * comparisonBytes + 16);
  }
  const result = library().ruleAdd(context, action, syscall, comparisons.length, array);
  checkSeccomp(result, "seccomp_rule_add_array", `syscall ${syscall}`);
}

/**
 * int seccomp_export_bpf(ctx, fd); seccomp_export_bpf(3): the filter as `struct sock_filter[]`, 8 bytes each.
 * Through a memfd, because a pipe would block once a long program has filled it.
 */
export function seccompExportBpf(context: FilterContext): Buffer {
  const fd = check(memfdCreate("seccomp-program", MFD_CLOEXEC), "memfd_create");
  try {
    checkSeccomp(library().exportBpf(context, fd), "seccomp_export_bpf");
    const program = Buffer.alloc(fstatSync(fd).size);
    readSync(fd, program, 0, program.length, 0);
    return program;
  } finally {
    close(fd);
  }
}

/**
 * int seccomp_syscall_resolve_name_arch(arch, name); seccomp_syscall_resolve_name(3). `architecture` is an AUDIT_ARCH
 * number. undefined: libseccomp does not know the name. Negative: only other architectures have the call.
 */
export function syscallNumber(architecture: number, name: string): number | undefined {
  const number: number = library().resolveName(architecture, name);
  return number === NR_SCMP_ERROR ? undefined : number;
}

/** char *seccomp_syscall_resolve_num_arch(arch, num); null when libseccomp knows no call of that number. */
export function syscallName(architecture: number, number: number): string | null {
  return library().resolveNumber(architecture, number);
}

/** const struct scmp_version *seccomp_version(void); for example `2.5.4`. */
export function seccompVersion(): string {
  const numbers = Buffer.alloc(12);
  copyOut(numbers, library().version(), numbers.length);
  return [0, 4, 8].map((offset) => numbers.readUInt32LE(offset)).join(".");
}

/** unsigned int seccomp_api_get(void): what kernel and libseccomp do together, 0 (unknown) to 7; seccomp_api_get(3). */
export function seccompApiLevel(): number {
  return library().apiGet();
}
