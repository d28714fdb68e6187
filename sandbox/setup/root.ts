// The job's root, from an empty stage to pivot_root. All of it happens in the job's own mount namespace, made by host root.
import { fstatSync, writeFileSync } from "node:fs";
import { close, O_NOFOLLOW, O_PATH } from "../sys/descriptors.ts";
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
import type { Context } from "./context.ts";
import { removeDanglingLink } from "./dangling-link.ts";
import { mountDevices } from "./devices.ts";
import { mountGrants, mountScratch } from "./grants.ts";
import { buildHostView } from "./host-view.ts";
import { mountProc } from "./proc.ts";
import { openRoot, type Root, withTarget } from "./root-target.ts";
import { buildDirect, buildOverlay } from "./rootfs.ts";
import { step } from "./step.ts";

/** Builds the root and enters it. Returns HOME. */
export function enterRoot(context: Context): string {
  const { rootfs } = context.spec;
  step("rootfs", () => buildBase(context));
  const root = openRoot(".");
  const home = rootfs === null ? homeFolder(context.spec.user.uid) : homeInRoot(root, context.spec.user.uid);
  step("dev", () => mountDevices(root, context.idBase));
  step("proc", () => mountProc(root));
  step("hosts", () => showNames(context, root));
  step("scratch", () => mountScratchFolders(context, root, home));
  step("grants", () => mountGrants(context, root));
  close(root.fd);
  step("pivot", () => pivot(rootfs === null || rootfs.mode === "ro"));
  return home;
}

function buildBase(context: Context): void {
  const { rootfs } = context.spec;
  if (rootfs === null) buildHostView(context);
  else if (rootfs.mode === "rw") buildDirect(context, rootfs);
  else buildOverlay(context, rootfs);
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
    if (spec.rootfs === null) writeFileSync(`etc/${name}`, text);
    else if (spec.rootfs.mode !== "rw" || isFile(root, `/etc/${name}`)) {
      bindText(root, `${stage}/${name}`, `/etc/${name}`, text);
    }
  }
}

/** In a rw root nothing is made, and its links are its own: only a file that is there is covered. */
function isFile(root: Root, path: string): boolean {
  try {
    const fd = openInRoot(root.fd, path, O_PATH | O_NOFOLLOW, "refused");
    const found = fstatSync(fd).isFile();
    close(fd);
    return found;
  } catch {
    return false;
  }
}

function bindText(root: Root, source: string, target: string, text: string): void {
  writeFileSync(source, text, { mode: 0o644 });
  removeDanglingLink(root, target);
  withTarget(root, target, "file", (path) => mountBind(source, path));
  // Looked up anew: the descriptor of before is below the mount.
  withTarget(root, target, "file", (path) => remountBind(path, MS_RDONLY | MS_NOSUID | MS_NODEV));
}

/** Writable folders of a root that is not: /tmp, /var/tmp and HOME, and those asked for. */
function mountScratchFolders({ spec, idBase }: Context, root: Root, home: string): void {
  if (spec.rootfs === null || spec.rootfs.mode === "ro") {
    mountScratch(root, { target: "/tmp", sizeBytes: 0 }, "mode=1777");
    mountScratch(root, { target: "/var/tmp", sizeBytes: 0 }, "mode=1777");
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

/** The old root goes for good: it lies under the new one for one moment and is detached (pivot_root(2), NOTES). */
function pivot(readOnly: boolean): void {
  if (readOnly) remountBind(".", MS_RDONLY | MS_NOSUID | MS_NODEV);
  pivotRootHere();
  detachMount(".");
  process.chdir("/");
  makeTreePrivate();
}
