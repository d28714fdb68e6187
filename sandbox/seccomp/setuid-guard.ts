// A second filter, for jobs that can write to host folders: nothing they leave there may be set-uid or set-gid, or a
// local user of the host could run it as the folder's owner. It holds under any profile, unconfined too.
import { compileProfile } from "./compile.ts";
import { readProfile } from "./profile.ts";

const S_ISUID = 0o4000;
const S_ISGID = 0o2000;

/** Calls that set a mode, by the argument that holds it. open reads it only with O_CREAT; libc passes 0 without. */
const callsByModeArgument = [
  { index: 1, names: ["chmod", "fchmod", "creat", "mkdir", "mknod"] },
  { index: 2, names: ["fchmodat", "fchmodat2", "mkdirat", "mknodat", "open"] },
  { index: 3, names: ["openat"] },
] as const;

/** Their mode lies behind a pointer, where no filter can look. Programs fall back on openat and on plain calls. */
const callsWithHiddenMode = ["openat2", "io_uring_setup"];

const guard = {
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [
    { names: callsWithHiddenMode, action: "SCMP_ACT_ERRNO", errnoRet: 38 },
    ...callsByModeArgument.flatMap(({ index, names }) =>
      [S_ISUID, S_ISGID].map((bit) => ({
        names,
        action: "SCMP_ACT_ERRNO",
        errnoRet: 1,
        args: [{ index, op: "SCMP_CMP_MASKED_EQ", value: bit, valueTwo: bit }],
      })),
    ),
  ],
};

/** The guard as `struct sock_filter[]`: EPERM for set-uid and set-gid modes, ENOSYS for calls that hide their mode. */
export function compileSetuidGuard(): Uint8Array {
  return compileProfile(readProfile(guard, "set-uid guard"), { capabilities: [] });
}
