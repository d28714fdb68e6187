// A folder of each user's own, `DATA/home/USER`: made on first use, kept between jobs, and the one folder that a user may name
// without a word in the configuration. DATA, above it, only root can search.
import { chownSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { JobRequest } from "../../sandbox/request.ts";
import { firstKeptId } from "./work-grant.ts";

/** `home` or `home/…`, in place of a path of the server. */
const ownFolder = /^home(?=\/|$)/;

/** The request with the user's own folder in place of `home`; the folder is there then. */
export function withHome(request: JobRequest, homes: string, user: string): JobRequest {
  const own = join(homes, user);
  const named = (request.grants ?? []).map(({ source }) => source);
  if (named.some((path) => ownFolder.test(path) || path === own || path.startsWith(`${own}/`))) makeHome(homes, user);
  const placed = (path: string) => path.replace(ownFolder, () => own);
  return { ...request, grants: (request.grants ?? []).map((grant) => ({ ...grant, source: placed(grant.source) })) };
}

/** It gets an owner that no other folder has and nobody on the host is; no user's name begins with a dot. */
function makeHome(homes: string, user: string): void {
  const path = join(homes, user);
  if (existsSync(path)) return;
  const owners = readdirSync(homes).map((name) => statSync(join(homes, name)).uid);
  const owner = Math.max(firstKeptId, ...owners) + 1;
  const unfinished = join(homes, ".new");
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  chownSync(unfinished, owner, owner);
  renameSync(unfinished, path);
}
