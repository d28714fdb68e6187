// The root of a job that brings none: a small tmpfs with a read-only view of the host's /usr and the little of /etc that
// programs need. Nothing else of the host is there.
import { dirname } from "node:path";
import type { SandboxSpec } from "../spec.ts";
import { close } from "../sys/descriptors.ts";
import { kindOf, kindOfName, makeFolder, makeLink, readLink, writeSmall } from "../sys/files.ts";
import {
  attachTree,
  cloneTree,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MS_NODEV,
  MS_NOSUID,
  mountFilesystem,
  setDetachedAttributes,
} from "../sys/mounts.ts";
import { accountFiles, homeFolder } from "./accounts.ts";
import type { Ground } from "./context.ts";

const readOnly = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
const rootFolders = ["usr", "etc", "proc", "dev", "tmp", "var", "run", "root", "home", "mnt", "opt", "srv"] as const;
/** On a merged-/usr host these are links; on others they are folders of their own and are shown as such. */
const systemFolders = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] as const;
/** Parts of the host's /etc without secrets that programs cannot do without. */
export const sharedEtc = [
  "alternatives",
  "ca-certificates",
  "fonts",
  "ld.so.cache",
  "ld.so.conf",
  "ld.so.conf.d",
  "mime.types",
  "pki/tls/certs",
  "protocols",
  "services",
  "ssl/certs",
  "ssl/openssl.cnf",
  "terminfo",
] as const;

/** Builds the view in the current directory (the stage), which becomes the mount point of the root. */
export function buildHostView({ stage }: Ground): void {
  mountFilesystem("tmpfs", stage, MS_NOSUID | MS_NODEV, "mode=755,size=16m");
  process.chdir(stage);
  for (const name of [...rootFolders, "var/tmp"]) makeFolder(name, 0o755);
  showReadOnly("/usr", "usr");
  for (const name of systemFolders) showSystemFolder(name);
  writeEtc();
}

/** What of the view depends on the job's user. The current directory is the root, still writable. */
export function addUser({ user }: SandboxSpec): void {
  makeFolders(homeFolder(user.uid).slice(1));
  for (const [name, text] of accountFiles(user)) writeSmall(`etc/${name}`, text);
}

/** A relative path, each folder of it that is missing. */
function makeFolders(path: string): void {
  if (kindOf(path) !== null) return;
  if (path.includes("/")) makeFolders(dirname(path));
  makeFolder(path, 0o755);
}

function showSystemFolder(name: string): void {
  const host = kindOfName(`/${name}`);
  if (host === "link") makeLink(readLink(`/${name}`), name);
  else if (host === "folder") {
    makeFolder(name, 0o755);
    showReadOnly(`/${name}`, name);
  }
}

function showReadOnly(source: string, target: string): void {
  const tree = cloneTree(source);
  try {
    setDetachedAttributes(tree, readOnly, source);
    attachTree(tree, target);
  } finally {
    close(tree);
  }
}

function writeEtc(): void {
  writeSmall("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
  for (const name of sharedEtc) shareEtc(name);
  copyLink("etc/localtime");
  copyLink("etc/os-release");
  copyLink("etc/mtab", "/proc/self/mounts");
}

function shareEtc(name: string): void {
  const host = kindOfName(`/etc/${name}`);
  if (host === null || (host === "link" && kindOf(`/etc/${name}`) === null)) return;
  if (name.includes("/")) makeFolders(dirname(`etc/${name}`));
  if (host === "link") return copyLink(`etc/${name}`);
  if (host === "folder") makeFolder(`etc/${name}`, 0o755);
  else writeSmall(`etc/${name}`, "");
  showReadOnly(`/etc/${name}`, `etc/${name}`);
}

function copyLink(name: string, fixed?: string): void {
  if (fixed !== undefined) makeLink(fixed, name);
  else if (kindOfName(`/${name}`) === "link") makeLink(readLink(`/${name}`), name);
}
