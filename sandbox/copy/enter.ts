// What a process of podium's own becomes that looks into a running job: its user, with no capability and a filter.
import { type Destination, joinJob, type Target } from "../setup/join.ts";
import { step } from "../setup/step.ts";
import { dropGroups, setCapabilities, setIds, setUmask } from "../sys/credentials.ts";
import { close } from "../sys/descriptors.ts";
import { CLONE_NEWUSER, setns } from "../sys/namespaces.ts";
import { dropBoundingCapability, setNoNewPrivileges, setUndumpable } from "../sys/process.ts";
import { installSeccompFilter } from "../sys/seccomp-filter.ts";
import type { CopyRequest } from "./protocol.ts";

type Visitor = Destination & Pick<CopyRequest, "user" | "cwd" | "seccomp">;

const capabilityNumbers = 64;

/** In the child, which has one thread. Afterwards it is the job's user in the job, and nothing more. Throws StepError. */
export function becomeJob(target: Target, request: Visitor): void {
  const { user, cwd, seccomp } = request;
  const { userNamespace } = joinJob(target, request);
  step("user", dropGroups);
  step("user namespace", () => setns(userNamespace, CLONE_NEWUSER));
  close(userNamespace);
  step("user", () => becomeUser(user));
  step("cwd", () => process.chdir(cwd));
  step("seccomp", () => {
    for (const filter of seccomp) installSeccompFilter(Buffer.from(filter, "base64"));
  });
}

function becomeUser({ uid, gid }: CopyRequest["user"]): void {
  for (let n = 0; n < capabilityNumbers; n++) if (!dropBoundingCapability(n)) break;
  setIds(uid, gid);
  setUmask(0o022);
  setCapabilities(0n);
  setNoNewPrivileges();
  setUndumpable(); // the new ids made it what fs.suid_dumpable says
}
