// Ready-made user namespaces, each with an id range that no other live job of this host has. A range is owned by a lock
// on one byte of a file (its first id, divided by the ids of a range), held by an open file description that only the job's init keeps: the kernel
// gives it back however init ends, so there is no list to repair after a crash, and all servers of the host share the file.
import { type IdRanges, idsPerJob, usualIdRanges } from "../id-ranges.ts";
import { cloneRemnant, type Remnant, reapRemnant } from "../sys/clone.ts";
import { close, O_CREAT, O_RDONLY, O_RDWR, open, tryLockByte } from "../sys/descriptors.ts";
import { readSmall, writeSmall } from "../sys/files.ts";
import { CLONE_NEWUSER } from "../sys/namespaces.ts";

export interface UserNamespace {
  readonly fd: number;
  /** Host id of uid 0 and gid 0 of the job. */
  readonly idBase: number;
  /** Holds the range while it is open anywhere. */
  readonly lock: number;
}

export function closeUserNamespace(namespace: UserNamespace): void {
  close(namespace.fd);
  close(namespace.lock);
}

function claimRange(lockFile: string, { first, ranges }: IdRanges): { lock: number; idBase: number } {
  const lock = open(lockFile, O_RDWR | O_CREAT, 0o600);
  const start = Math.floor(Math.random() * ranges);
  for (let i = 0; i < ranges; i++) {
    const idBase = first + ((start + i) % ranges) * idsPerJob;
    if (tryLockByte(lock, idBase / idsPerJob)) return { lock, idBase };
  }
  close(lock);
  throw new Error(
    `user-namespace: all ${ranges} id ranges from ${first} up are in use; end some jobs, or give the configuration's "ids" more`,
  );
}

/**
 * A user namespace with this mapping, in `uid_map` form (user_namespaces(7)); nothing lives in it. Returns its descriptor.
 * `numberInProc`: of a child of this process.
 */
export function makeUserNamespace(uidMap: string, gidMap: string, numberInProc = numberOf): number {
  const remnant = cloneRemnant(CLONE_NEWUSER);
  try {
    const process = `/proc/${numberInProc(remnant)}`;
    writeSmall(`${process}/uid_map`, uidMap);
    writeSmall(`${process}/gid_map`, gidMap);
    return open(`${process}/ns/user`, O_RDONLY);
  } finally {
    reapRemnant(remnant);
  }
}

/** Another one than its pid where the caller lives in a job's pid namespace and /proc is the host's still. */
function numberOf({ pidfd }: Remnant): string {
  const [, number] = /^Pid:\s*(\d+)$/m.exec(readSmall(`/proc/self/fdinfo/${pidfd}`)) ?? [];
  if (number === undefined) throw new Error("user namespace: its process died");
  return number;
}

/** A namespace for one job; throws when no range is left or the host refuses user namespaces. */
export function makeJobNamespace(lockFile: string, ranges: IdRanges = usualIdRanges): UserNamespace {
  const { lock, idBase } = claimRange(lockFile, ranges);
  try {
    const map = `0 ${idBase} ${idsPerJob}`;
    return { fd: makeUserNamespace(map, map, ({ pid }) => String(pid)), idBase, lock }; // the zygote lives where /proc is of
  } catch (error) {
    close(lock);
    throw error;
  }
}
