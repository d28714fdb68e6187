// The job's root, from an empty stage to the finished tree. All of it happens in the job's own mount namespace, made by
// host root, in this order: build, enter (a plain job, perhaps long before its request), furnish, enter (any other), close.
import type { Rootfs } from "../spec.ts";
import { close, O_NOFOLLOW, O_PATH } from "../sys/descriptors.ts";
import { describe, writeSmall } from "../sys/files.ts";
import {
  detachMount,
  MS_NODEV,
  MS_NOSUID,
  MS_RDONLY,
  makeTreePrivate,
  mountBind,
  pivotRootHere,
  remountBind,
} from "../sys/mounts.ts";
import { openInRoot } from "../sys/resolve.ts";
import { homeFolder, homeInRoot } from "./accounts.ts";
import type { Context, Ground } from "./context.ts";
import { removeDanglingLink } from "./dangling-link.ts";
import { addConsole, mountDevices } from "./devices.ts";
import { mountGrants, mountScratch } from "./grants.ts";
import { addUser, buildHostView } from "./host-view.ts";
import { mountProc } from "./proc.ts";
import { openRoot, type Root, withTarget } from "./root-target.ts";
import { buildDirect, buildOverlay } from "./rootfs.ts";
import { step } from "./step.ts";

/** Builds what needs no more of the request than its rootfs; the current directory becomes the root. */
export function buildRoot(ground: Ground, rootfs: Rootfs | null): void {
  step("rootfs", () => buildBase(ground, rootfs));
  const root = openRoot(".");
  step("dev", () => mountDevices(root, ground.idBase));
  step("proc", () => mountProc(root));
  if (isReadOnly(rootfs)) step("scratch", () => mountTemporaryFolders(root));
  close(root.fd);
}

/** The rest of it, in the current directory; whether it has been entered yet makes no difference. Returns HOME. */
export function furnishRoot(context: Context): string {
  const { rootfs, user } = context.spec;
  const root = openRoot(".");
  const home = rootfs === null ? homeFolder(user.uid) : homeInRoot(root, user.uid);
  if (rootfs === null) step("accounts", () => addUser(context.spec));
  if (context.spec.terminal !== null) step("console", () => addConsole(root));
  step("hosts", () => showNames(context, root));
  step("scratch", () => mountScratchFolders(context, root, home));
  step("grants", () => mountGrants(context, root));
  close(root.fd);
  return home;
}

function isReadOnly(rootfs: Rootfs | null): boolean {
  return rootfs === null || rootfs.mode === "ro";
}

function buildBase(ground: Ground, rootfs: Rootfs | null): void {
  if (rootfs === null) buildHostView(ground);
  else if (rootfs.mode === "rw") buildDirect(ground, rootfs);
  else buildOverlay(ground, rootfs);
}

/** /etc/hosts, /etc/hostname and /etc/resolv.conf of the job, bound over whatever the root has there. */
function showNames({ spec, stage }: Context, root: Root): void {
  const { hostname, names } = spec;
  const files: [string, string][] = [
    ["hosts", names?.hosts ?? `127.0.0.1\tlocalhost ${hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n`],
    ["hostname", `${hostname}\n`],
  ];
  if (names !== undefined) files.push(["resolv.conf", names.resolvConf]);
  for (const [name, text] of files) {
    if (spec.rootfs === null) writeSmall(`etc/${name}`, text);
    else if (spec.rootfs.mode !== "rw" || isFile(root, `/etc/${name}`)) {
      bindText(root, `${stage}/${name}`, `/etc/${name}`, text);
    }
  }
}

/** In a rw root nothing is made, and its links are its own: only a file that is there is covered. */
function isFile(root: Root, path: string): boolean {
  try {
    const fd = openInRoot(root.fd, path, O_PATH | O_NOFOLLOW, "refused");
    const found = describe(fd).kind === "file";
    close(fd);
    return found;
  } catch {
    return false;
  }
}

function bindText(root: Root, source: string, target: string, text: string): void {
  writeSmall(source, text, 0o644);
  removeDanglingLink(root, target);
  withTarget(root, target, "file", (path) => mountBind(source, path));
  // Looked up anew: the descriptor of before is below the mount.
  withTarget(root, target, "file", (path) => remountBind(path, MS_RDONLY | MS_NOSUID | MS_NODEV));
}

/** Writable folders of a root that is not. */
function mountTemporaryFolders(root: Root): void {
  for (const target of ["/tmp", "/var/tmp"]) mountScratch(root, { target, sizeBytes: 0 }, "mode=1777");
}

/** HOME, where the root cannot be written, and what was asked for. */
function mountScratchFolders({ spec, idBase }: Context, root: Root, home: string): void {
  if (isReadOnly(spec.rootfs)) {
    const owner = `uid=${idBase + spec.user.uid},gid=${idBase + spec.user.gid}`;
    if (home !== "/" && isOwnFolder(root, home))
      mountScratch(root, { target: home, sizeBytes: 0 }, `mode=700,${owner}`);
  }
  for (const mount of spec.tmpfs) mountScratch(root, mount, "mode=1777");
}

/** A HOME that a hostile passwd puts on a link or on what is mounted already stays as it is. */
function isOwnFolder(root: Root, home: string): boolean {
  if (/^\/(proc|dev|tmp|var\/tmp)(\/|$)/.test(home)) return false;
  try {
    close(openInRoot(root.fd, home, O_PATH | O_NOFOLLOW, "refused"));
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "ENOENT";
  }
}

/** The last write to it has been made: from here on the job's root is as it will be. */
export function closeRoot({ spec }: Context): void {
  if (isReadOnly(spec.rootfs)) remountBind("/", MS_RDONLY | MS_NOSUID | MS_NODEV);
}

/** The old root goes for good: it lies under the new one for one moment and is detached (pivot_root(2), NOTES). */
export function enterRoot(): void {
  pivotRootHere();
  detachMount(".");
  process.chdir("/");
  makeTreePrivate();
}
