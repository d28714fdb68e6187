import { dropGroups, setCapabilities, setIds, setUmask } from "../sys/credentials.ts";
import { CLONE_NEWUSER, setns } from "../sys/namespaces.ts";
import { dropBoundingCapability, setNoNewPrivileges } from "../sys/process.ts";
import type { Context } from "./context.ts";

const usualUmask = 0o022;
/** More than any kernel has; the first unknown one ends the loop (capabilities(7)). */
const capabilityNumbers = 64;

/** Into the job's user namespace, and from host root to the job's user in it, without supplementary groups. */
export function becomeJobUser({ userNamespace, spec }: Context): void {
  dropGroups();
  setns(userNamespace, CLONE_NEWUSER);
  // Entering gave a full bounding set of the new namespace; while the process still has CAP_SETPCAP there, empty it.
  for (let n = 0; n < capabilityNumbers; n++) if (!dropBoundingCapability(n)) break;
  setIds(spec.user.uid, spec.user.gid);
  setUmask(usualUmask);
}

/** Permitted, effective, inheritable and with them ambient: empty. Nothing that is exec'd can bring any back. */
export function dropPrivileges(): void {
  setCapabilities(0n);
  setNoNewPrivileges();
}
