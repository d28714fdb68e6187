// The two machines that podium runs on, in the spellings that profiles, filters and the kernel use.

export interface Architecture {
  /** libseccomp's name, as in `architectures` of a profile. */
  readonly name: string;
  /** Go's name, as in `includes.arches` of Docker's profiles. */
  readonly goName: string;
  /** AUDIT_ARCH_* of linux/audit.h: what `seccomp_data.arch` holds. */
  readonly audit: number;
}

const byNodeArch: Readonly<Record<string, Architecture>> = {
  x64: { name: "SCMP_ARCH_X86_64", goName: "amd64", audit: 0xc000003e },
  arm64: { name: "SCMP_ARCH_AARCH64", goName: "arm64", audit: 0xc00000b7 },
};

export function hostArchitecture(): Architecture {
  const host = byNodeArch[process.arch];
  if (host === undefined)
    throw new Error(`podium has no seccomp filters for ${process.arch}: it runs on x64 and arm64`);
  return host;
}

/** Every architecture that the OCI runtime specification lists. */
export const architectureNames: ReadonlySet<string> = new Set(
  (
    "X86 X86_64 X32 ARM AARCH64 MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X " +
    "PARISC PARISC64 RISCV64 LOONGARCH64 M68K SH SHEB"
  )
    .split(" ")
    .map((name) => `SCMP_ARCH_${name}`),
);

/** Every name of Go's that Docker's profiles use in `arches`. */
export const goArchitectureNames: ReadonlySet<string> = new Set(
  (
    "386 x86 amd64 x32 arm arm64 mips mips64 mips64n32 mipsel mipsel64 mipsel64n32 mipsle mips64le ppc ppc64 ppc64le " +
    "s390 s390x riscv64 loong64 parisc parisc64 sh sheb m68k"
  ).split(" "),
);
