// What turns a fork of the exec process into a further command of a running job: the steps of a job's own command but that
// root and namespaces are there already, and hostile processes too. Nothing is looked up in the root with the host's rights.
import { constants } from "node:os";
import { homeFolder, homeInRoot } from "../setup/accounts.ts";
import type { Descent } from "../setup/context.ts";
import { joinJob, type Target } from "../setup/join.ts";
import { openRoot } from "../setup/root-target.ts";
import { step } from "../setup/step.ts";
import { becomeUnprivileged, execute, reporting, separate } from "../setup/steps.ts";
import { setParentDeathSignal } from "../sys/process.ts";
import type { ExecRequest } from "./protocol.ts";

/** Never returns, as becomeCommand (setup/steps.ts). */
export function becomeFurtherCommand(
  target: Target,
  request: ExecRequest,
  stdio: Descent["stdio"],
  status: number,
): never {
  const { spec, ownRoot } = request;
  return reporting(status, () => {
    separate();
    becomeUnprivileged({ ...joinJob(target, request), stdio, spec, hostProc: null });
    setParentDeathSignal(constants.signals.SIGKILL); // should the exec process be killed, which kills the whole session else
    const { uid } = spec.user;
    const home = step("home", () => (ownRoot ? homeInRoot(openRoot("/"), uid) : homeFolder(uid)));
    return execute(spec, home);
  });
}
