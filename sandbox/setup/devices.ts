import { makeFolder, makeLink } from "../sys/files.ts";
import { MS_NODEV, MS_NOEXEC, MS_NOSUID, makeCharDevice, mountFilesystem } from "../sys/mounts.ts";
import { type Root, withTarget } from "./root-target.ts";

/** Name, major and minor (kernel: Documentation/admin-guide/devices.txt). */
const nodes = [
  ["null", 1, 3],
  ["zero", 1, 5],
  ["full", 1, 7],
  ["random", 1, 8],
  ["urandom", 1, 9],
  ["tty", 5, 0],
] as const;

const links = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
  ["ptmx", "pts/ptmx"],
] as const;

const ttyGroup = 5;

/**
 * A /dev of the job's own. The nodes are made here and belong to host root, not bind-mounted from the host: through a
 * bind mount the job could change the mode of the host's own node.
 */
export function mountDevices(root: Root, idBase: number): void {
  withTarget(
    root,
    "/dev",
    "folder",
    (dev) => mountFilesystem("tmpfs", dev, MS_NOSUID | MS_NOEXEC, "mode=755"),
    "refused",
  );
  withTarget(root, "/dev", "folder", fillDev, "refused");
  withTarget(
    root,
    "/dev/pts",
    "folder",
    (target) => {
      const options = `newinstance,ptmxmode=0666,mode=0620,gid=${idBase + ttyGroup}`;
      mountFilesystem("devpts", target, MS_NOSUID | MS_NOEXEC, options);
    },
    "refused",
  );
  withTarget(
    root,
    "/dev/mqueue",
    "folder",
    (target) => {
      mountFilesystem("mqueue", target, MS_NOSUID | MS_NODEV | MS_NOEXEC);
    },
    "refused",
  );
}

function fillDev(dev: string): void {
  for (const [name, major, minor] of nodes) makeCharDevice(`${dev}/${name}`, 0o666, major, minor);
  for (const [name, target] of links) makeLink(target, `${dev}/${name}`);
  for (const name of ["pts", "mqueue"]) makeFolder(`${dev}/${name}`, 0o755);
  makeFolder(`${dev}/shm`, 0o1777); // the umask is 0 here (steps.ts)
}

/** Of a job with a terminal: it is the first of its devpts. */
export function addConsole(root: Root): void {
  withTarget(root, "/dev", "folder", (dev) => makeLink("pts/0", `${dev}/console`), "refused");
}
