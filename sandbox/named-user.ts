// The ids of `--user NAME` for a job that is to be started: looked up before anything is made, in the root as it is then.
import { AccountError, type AccountFiles, accountFilesOf, findUser, type Ids } from "./accounts.ts";
import { type UserRequest, userName } from "./program-request.ts";
import { RequestError } from "./request-error.ts";
import { accountFiles } from "./setup/accounts.ts";
import type { Rootfs } from "./spec.ts";
import { close, O_DIRECTORY, O_PATH } from "./sys/descriptors.ts";
import { openResolved } from "./sys/resolve.ts";
import type { UserName } from "./units.ts";

/** Those of the view of the host, but for the job's own user, whose ids are asked for here. */
const usualFiles: AccountFiles = (path) => {
  const files = new Map(accountFiles({ uid: 0, gid: 0 }));
  return files.get(path.slice("/etc/".length)) ?? null;
};

/** Throws RequestError. */
export function idsOf(request: UserRequest, rootfs: Rootfs | null): Ids {
  const { uid, gid, name = "" } = request;
  if (name === "") return { uid, gid };
  const wanted = userName(name);
  try {
    return rootfs === null ? findUser(wanted, usualFiles) : findInRoot(wanted, rootfs);
  } catch (error) {
    if (error instanceof AccountError) throw new RequestError("user.name", error.message, error.mend);
    throw error;
  }
}

function findInRoot(wanted: UserName, { path }: Rootfs): Ids {
  const root = openResolved(path, O_PATH | O_DIRECTORY);
  try {
    return findUser(wanted, accountFilesOf(root));
  } finally {
    close(root);
  }
}
