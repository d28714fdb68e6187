import { capabilityMask } from "../capabilities.ts";
import type { ProgramSpec } from "../spec.ts";
import { dropGroups, setCapabilities, setIds, setUmask } from "../sys/credentials.ts";
import { close, O_WRONLY, openAt, write } from "../sys/descriptors.ts";
import { CLONE_NEWUSER, setns } from "../sys/namespaces.ts";
import { dropBoundingCapability, raiseAmbientCapability, setNoNewPrivileges, setUndumpable } from "../sys/process.ts";
import type { Descent } from "./context.ts";

const usualUmask = 0o022;
/** More than any kernel has; the first unknown one ends the loop (capabilities(7)). */
const capabilityNumbers = 64;

/** Into the job's user namespace, and from host root to the job's user in it, without supplementary groups. */
export function becomeJobUser({ userNamespace, spec, hostProc }: Descent): void {
  dropGroups();
  setns(userNamespace, CLONE_NEWUSER);
  if (hostProc !== null) endNesting(hostProc);
  // Entering gave a full bounding set of the new namespace; while the process still has CAP_SETPCAP there, take from it.
  limitBounding(capabilityMask(spec.capabilities));
  setIds(spec.user.uid, spec.user.gid);
  setUmask(usualUmask);
  setUndumpable(); // the new ids made it what fs.suid_dumpable says
}

/** No user namespace can be made in this one from now on, beside seccomp: the limit binds all that would be made in it. */
function endNesting(hostProc: number): void {
  const limit = openAt(hostProc, "sys/user/max_user_namespaces", O_WRONLY);
  write(limit, Buffer.from("0"));
  close(limit);
}

function limitBounding(kept: bigint): void {
  for (let n = 0; n < capabilityNumbers; n++) {
    if (((kept >> BigInt(n)) & 1n) === 0n && !dropBoundingCapability(n)) break;
  }
}

/**
 * Exactly the capabilities asked for, none unless they were. As OCI runtimes do: root has them permitted and effective, and
 * exec gives them to it again; another user has them inheritable and ambient too, or exec would take them. Whatever is
 * exec'd, no_new_privs adds none.
 */
export function setPrivileges({ user, capabilities }: ProgramSpec): void {
  const mask = capabilityMask(capabilities);
  setCapabilities(mask, user.uid === 0 ? 0n : mask);
  if (user.uid !== 0)
    for (let n = 0; n < capabilityNumbers; n++) if ((mask >> BigInt(n)) & 1n) raiseAmbientCapability(n);
  setNoNewPrivileges();
}
