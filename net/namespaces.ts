// Named network namespaces as ip-netns(8) makes them: a file in /run/netns over which the namespace is mounted.
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { isGone } from "../sandbox/sys/errors.ts";
import { detachMount, mountBind } from "../sandbox/sys/mounts.ts";
import { bringLoopbackUp, CLONE_NEWNET, setns, unshare } from "../sandbox/sys/namespaces.ts";
import { makeShared } from "../sandbox/sys/shared-mounts.ts";
import { isBridge, slotOf } from "./names.ts";
import { writeSetting } from "./sysctl.ts";

const namespaceFolder = "/run/netns";

/**
 * Makes /run/netns a shared mount of its own, as `ip netns add` does. Once it is one, another mount namespace can drop it
 * with one umount and is spared the thousands of mounts that may come below (they make unshare(CLONE_NEWNS) slow).
 */
export function prepareNamespaceFolder(): void {
  mkdirSync(namespaceFolder, { recursive: true, mode: 0o755 });
  if (isMountPoint(namespaceFolder)) return;
  mountBind(namespaceFolder, namespaceFolder);
  makeShared(namespaceFolder);
}

/** Whether something is mounted exactly there, as this process sees it (proc(5), mountinfo). */
export function isMountPoint(path: string): boolean {
  const lines = readFileSync("/proc/thread-self/mountinfo", "utf8").split("\n");
  return lines.some((line) => line.split(" ")[4] === path);
}

export function namespaceFile(name: string): string {
  return `${namespaceFolder}/${name}`;
}

/**
 * The path by which a process in another mount namespace reaches a named namespace: through the root of this process, which
 * must outlive the opening.
 */
export function reachablePath(name: string): string {
  return `/proc/${process.pid}/root${namespaceFile(name)}`;
}

/** Runs `inside` in the namespace behind a descriptor, synchronously; ends the process when there is no way back. */
export function inNamespace<T>(namespace: number, inside: () => T): T {
  return awayFromHome(() => setns(namespace, CLONE_NEWNET), inside);
}

function awayFromHome<T>(leave: () => void, inside: () => T): T {
  const home = openSync("/proc/thread-self/ns/net", "r");
  try {
    leave();
    try {
      return inside();
    } finally {
      comeBack(home);
    }
  } finally {
    closeSync(home);
  }
}

/** Whatever ran on from here in a job's namespace would do to the host's what was meant for the job's, and the reverse. */
function comeBack(home: number): void {
  try {
    setns(home, CLONE_NEWNET);
  } catch {
    process.abort();
  }
}

/** A new named namespace with lo up and a job's settings; `inside` runs in it. The caller closes the descriptor. */
export function makeNamespace<T>(name: string, inside: () => T): { readonly fd: number; readonly made: T } {
  const file = namespaceFile(name);
  closeSync(openSync(file, "wx", 0o444));
  try {
    return awayFromHome(
      () => unshare(CLONE_NEWNET),
      () => {
        mountBind("/proc/thread-self/ns/net", file);
        writeSettings();
        bringLoopbackUp();
        return { fd: openSync("/proc/thread-self/ns/net", "r"), made: inside() };
      },
    );
  } catch (error) {
    removeNamespace(name);
    throw error;
  }
}

/** ip-sysctl.rst. The job has no power over its namespace, so these stay as they are. */
const settings: readonly (readonly [string, string])[] = [
  // What the capabilities NET_BIND_SERVICE and NET_RAW are mostly wanted for.
  ["net/ipv4/ip_unprivileged_port_start", "0"],
  ["net/ipv4/ping_group_range", "0 2147483647"],
  // Its addresses are given: nothing is learnt from the link, nothing is made up, nothing is probed.
  ["net/ipv6/conf/default/accept_ra", "0"],
  ["net/ipv6/conf/default/addr_gen_mode", "1"],
  ["net/ipv6/conf/default/accept_dad", "0"],
];

function writeSettings(): void {
  for (const [name, value] of settings) {
    try {
      writeFileSync(`/proc/sys/${name}`, value);
    } catch (error) {
      if (!isGone(error)) throw error; // a kernel without IPv6
    }
  }
}

/**
 * What ended processes had still to send keeps their namespace until the other side has it or eight tries were in vain, which
 * takes minutes when that side is gone: one try is enough from here on (ip-sysctl.rst, tcp_orphan_retries).
 */
function hastenConnections(file: string): void {
  let namespace = -1;
  try {
    namespace = openSync(file, "r");
    inNamespace(namespace, () => writeSetting("ipv4/tcp_orphan_retries", "1"));
  } catch {
    // No namespace is there any more, or only a file of its name.
  } finally {
    if (namespace >= 0) closeSync(namespace);
  }
}

/** Takes the name away; the namespace goes when its last process does. False: there was no such name. */
export function removeNamespace(name: string): boolean {
  const file = namespaceFile(name);
  hastenConnections(file);
  try {
    detachMount(file);
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code !== "ENOENT" && code !== "EINVAL") throw error; // EINVAL: a file that nothing is mounted over
  }
  try {
    unlinkSync(file);
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** Whether this host has a namespace or a link of this tag; asks no more than two files. */
export function hasTraces(tag: string): boolean {
  const links = readFileSync("/proc/self/net/dev", "utf8").split("\n");
  const names = links.map((line) => line.slice(0, Math.max(0, line.indexOf(":"))).trim());
  return [...names, ...namespaceNames()].some((name) => slotOf(name, tag) !== null || isBridge(name, tag));
}

export function namespaceNames(): string[] {
  try {
    return readdirSync(namespaceFolder);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}
