// What a job's set-up asks of the kernel, each tried with the very functions that the set-up uses.
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { idsPerJob, usualIdRanges } from "../id-ranges.ts";
import { seccompPrograms } from "../seccomp/programs.ts";
import { tryMapping } from "../setup/mapping.ts";
import { buildOverlay } from "../setup/rootfs.ts";
import { Children } from "../sys/children.ts";
import { hasClone3 } from "../sys/clone.ts";
import { O_DIRECTORY, O_PATH } from "../sys/descriptors.ts";
import {
  cloneTree,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  makeTreePrivate,
  mountFilesystem,
  setDetachedAttributes,
} from "../sys/mounts.ts";
import {
  bringLoopbackUp,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUTS,
  setHostname,
  unshare,
} from "../sys/namespaces.ts";
import { exitNow, fork, setNoNewPrivileges, waitFor } from "../sys/process.ts";
import { openResolved } from "../sys/resolve.ts";
import { installSeccompFilter } from "../sys/seccomp-filter.ts";
import { forkSelfTest } from "../zygote/self-test.ts";
import { makeJobNamespace } from "../zygote/user-namespaces.ts";
import { overlayCheck } from "./names.ts";
import type { Trial } from "./trial.ts";

const asRoot = "run podium as root of the host, in a container with --privileged";
const newerKernel = "use a newer kernel (5.14 or later)";

function kernelWith(option: string): string {
  return `use a kernel with ${option}; ${asRoot}`;
}

const features: readonly Trial[] = [
  {
    name: "fork",
    required: true,
    what: "a forked copy of Node runs and collects garbage",
    mend: "use the Node of nodejs.org or of the distribution (20.19 or later), with glibc",
    body: () => {
      const reason = forkSelfTest();
      if (reason !== null) throw new Error(reason);
    },
  },
  {
    name: "openat2",
    required: true,
    what: "paths can be opened without following links",
    mend: newerKernel,
    body: () => openResolved("/usr", O_PATH | O_DIRECTORY),
  },
  {
    name: "pidfd",
    required: true,
    what: "the end of a process can be waited for by descriptor",
    mend: newerKernel,
    body: () => {
      const pid = fork();
      if (pid === 0) exitNow(0);
      new Children().add(pid);
      waitFor(pid);
    },
  },
  {
    name: "clone3",
    required: false,
    what: "a process can be born in its control group",
    mend: `${newerKernel}; starts are slower without`,
    body: () => {
      if (!hasClone3()) throw new Error("clone3: ENOSYS");
    },
  },
];

/** The next child is the first of the new pid namespace: it must be there to be tried. */
function enterPidNamespace(): void {
  unshare(CLONE_NEWPID);
  const pid = fork();
  if (pid === 0) exitNow(0);
  waitFor(pid);
}

const namespaces: readonly Trial[] = (
  [
    ["pid", "CONFIG_PID_NS", enterPidNamespace],
    ["mount", "CONFIG_NAMESPACES", () => enter(CLONE_NEWNS, makeTreePrivate)],
    ["uts", "CONFIG_UTS_NS", () => enter(CLONE_NEWUTS, () => setHostname("podium-try"))],
    ["ipc", "CONFIG_IPC_NS", () => enter(CLONE_NEWIPC)],
    ["net", "CONFIG_NET_NS", () => enter(CLONE_NEWNET, bringLoopbackUp)],
    ["cgroup", "CONFIG_CGROUPS", () => enter(CLONE_NEWCGROUP)],
  ] as const
).map(([name, option, body]) => ({
  name: `namespace ${name}`,
  required: true,
  what: "can be made",
  mend: kernelWith(option),
  body,
}));

function enter(kind: number, then: () => void = () => {}): void {
  unshare(kind);
  then();
}

function userNamespace(idLocks: string): Trial {
  return {
    name: "namespace user",
    required: true,
    what: `can be made, with ${idsPerJob} ids of the host from ${usualIdRanges.first} to ${lastId()}`,
    mend: `sysctl -w user.max_user_namespaces=10000; use a kernel with CONFIG_USER_NS; in a container let it have the host's ids (no user namespace of its own)`,
    body: () => {
      mkdirSync(dirname(idLocks), { recursive: true, mode: 0o700 });
      makeJobNamespace(idLocks);
    },
  };
}

function lastId(): number {
  return usualIdRanges.first + usualIdRanges.ranges * idsPerJob - 1;
}

const attributes: Trial = {
  name: "mount attributes",
  required: true,
  what: "folders of the host can be shown read-only",
  mend: newerKernel,
  body: () => {
    unshare(CLONE_NEWNS);
    const tree = cloneTree(mappedFolder);
    setDetachedAttributes(tree, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, mappedFolder);
  },
};

/** A mount namespace of its own with room to write in. */
function enterScratch(folder: string): void {
  unshare(CLONE_NEWNS);
  makeTreePrivate();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  mountFilesystem("tmpfs", folder, 0, "size=1M");
}

function overlay(idLocks: string): Trial {
  const folder = dirname(idLocks);
  return {
    name: overlayCheck,
    required: false,
    what: "a root file system can be shown with changes kept apart (--rootfs DIR)",
    mend: "modprobe overlay; use Linux 5.19 or later, whose overlays take id-mapped folders; or use --rootfs DIR:rw",
    body: () => {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const { fd } = makeJobNamespace(idLocks);
      enterScratch(folder);
      if (isMappable(fd)) buildOverlay({ stage: folder, userNamespace: fd }, { ...tried, path: mappedFolder });
      else mountFilesystem("overlay", folder, 0, `lowerdir=${mappedFolder}:/etc`); // that the kernel has them is all one can say
    },
  };
}

const tried = { mode: "overlay", sizeBytes: 1 << 20, inodes: 100 } as const;
/** Stands for the folders that jobs will be shown. */
const mappedFolder = "/usr";

function isMappable(userNamespace: number): boolean {
  try {
    tryMapping(mappedFolder, false, userNamespace);
    return true;
  } catch {
    return false;
  }
}

function idMapping(idLocks: string): Trial {
  return {
    name: "id-mapped mounts",
    required: false,
    what: "the file system of / can be shown with a job's ids (--rootfs, --dir)",
    mend: "use Linux 5.14 or later, and folders on ext4, xfs or btrfs (tmpfs: 6.3, overlay: never)",
    body: () => {
      mkdirSync(dirname(idLocks), { recursive: true, mode: 0o700 });
      const { fd } = makeJobNamespace(idLocks);
      unshare(CLONE_NEWNS);
      tryMapping(mappedFolder, false, fd);
    },
  };
}

const filter: Trial = {
  name: "seccomp",
  required: true,
  what: "the default profile is compiled and installed",
  mend: "apt-get install libseccomp2; use a kernel with CONFIG_SECCOMP_FILTER",
  body: () => {
    const programs = seccompPrograms({ kind: "default" }, { capabilities: [], writableGrants: false });
    // Its child: once the filter is in, this process could not say any more how it went.
    const pid = fork();
    if (pid === 0) exitNow(installed(programs) ? 0 : 1);
    if (waitFor(pid) !== 0) throw new Error("the kernel refuses the filter");
  },
};

function installed(programs: readonly string[]): boolean {
  try {
    setNoNewPrivileges();
    for (const program of programs) installSeccompFilter(Buffer.from(program, "base64"));
    return true;
  } catch {
    return false;
  }
}

/** `idLocks`: the file that says which id ranges are in use; its folder is there to be made and mounted over. */
export function trialsOf(idLocks: string): Trial[] {
  const users = [userNamespace(idLocks), idMapping(idLocks)];
  return [...features, ...namespaces, attributes, ...users, overlay(idLocks), filter];
}
