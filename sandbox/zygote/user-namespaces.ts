// Ready-made user namespaces, each with an id range that no other live job of this host has. A range is owned by a lock
// on one byte of a file (its first id, divided by the ids of a range), held by an open file description that only the job's init keeps: the kernel
// gives it back however init ends, so there is no list to repair after a crash, and all servers of the host share the file.
import { openSync, readlinkSync, writeFileSync } from "node:fs";
import { type IdRanges, idsPerJob, usualIdRanges } from "../id-ranges.ts";
import { close, O_CREAT, O_RDWR, open, pipe, read, tryLockByte, write } from "../sys/descriptors.ts";
import { CLONE_NEWUSER, unshare } from "../sys/namespaces.ts";
import { exitNow, fork, waitFor } from "../sys/process.ts";

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

/** A user namespace with this mapping, in `uid_map` form (user_namespaces(7)); nothing lives in it. Returns its descriptor. */
export function makeUserNamespace(uidMap: string, gidMap: string): number {
  const toParent = pipe();
  const toChild = pipe();
  const child = fork();
  if (child === 0) liveInNamespace(toParent.write, toChild);
  close(toParent.write);
  close(toChild.read);
  try {
    const reply = Buffer.alloc(64);
    const n = read(toParent.read, reply);
    const answer = reply.toString("utf8", 0, n ?? 0);
    if (!/^\d+$/.test(answer)) throw new Error(`user namespace: ${answer === "" ? "its process died" : answer}`);
    writeFileSync(`/proc/${answer}/uid_map`, uidMap);
    writeFileSync(`/proc/${answer}/gid_map`, gidMap);
    return openSync(`/proc/${answer}/ns/user`, "r");
  } finally {
    write(toChild.write, Buffer.from("."));
    close(toChild.write);
    close(toParent.read);
    waitFor(child);
  }
}

function liveInNamespace(toParent: number, toChild: { read: number; write: number }): never {
  let answer: string;
  try {
    close(toChild.write);
    // Its pid as /proc names it: fork's answer is another number where the caller lives in a job's pid namespace.
    answer = readlinkSync("/proc/self");
    unshare(CLONE_NEWUSER);
    // Nested user namespaces end here too, beside seccomp: the limit of this namespace binds all that is made in it.
    writeFileSync("/proc/sys/user/max_user_namespaces", "0");
  } catch (error) {
    answer = String((error as Error).message).slice(0, 60);
  }
  write(toParent, Buffer.from(answer));
  read(toChild.read, Buffer.alloc(1));
  exitNow(0);
}

/** A namespace for one job; throws when no range is left or the host refuses user namespaces. */
export function makeJobNamespace(lockFile: string, ranges: IdRanges = usualIdRanges): UserNamespace {
  const { lock, idBase } = claimRange(lockFile, ranges);
  try {
    const map = `0 ${idBase} ${idsPerJob}`;
    return { fd: makeUserNamespace(map, map), idBase, lock };
  } catch (error) {
    close(lock);
    throw error;
  }
}
