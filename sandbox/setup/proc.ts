import { kindOf } from "../sys/files.ts";
import { MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, mountBind, mountFilesystem, remountBind } from "../sys/mounts.ts";
import { type Root, withTarget } from "./root-target.ts";

/** What OCI runtimes hide: facts and handles of the host that no job needs. */
const masked = [
  "acpi",
  "asound",
  "interrupts",
  "kcore",
  "keys",
  "latency_stats",
  "sched_debug",
  "scsi",
  "timer_list",
  "timer_stats",
] as const;
const readOnly = ["bus", "fs", "irq", "sys", "sysrq-trigger"] as const;

const flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

/**
 * The job's own /proc, of its own pid namespace. /proc/1 is init, which lives in the host's mount namespace: its
 * mountinfo, mounts, cgroup and net are readable by everybody, so an empty folder lies over it (and `ps` shows the job only).
 * Must come before the root's own /dev is needed: the mask for files is the host's /dev/null seen through an empty folder.
 */
export function mountProc(root: Root): void {
  withTarget(root, "/proc", "folder", (proc) => mountFilesystem("proc", proc, flags), "refused");
  mountEmpty(root, "/proc/1");
  for (const name of masked) mask(root, name);
  for (const name of readOnly) protect(root, name);
}

function mountEmpty(root: Root, path: string): void {
  withTarget(
    root,
    path,
    "folder",
    (target) => {
      mountFilesystem("tmpfs", target, flags | MS_RDONLY, "size=4k,nr_inodes=2,mode=555");
    },
    "refused",
  );
}

function mask(root: Root, name: string): void {
  const kind = kindOf(`/proc/${name}`);
  if (kind === null) return;
  if (kind === "folder") return mountEmpty(root, `/proc/${name}`);
  withTarget(
    root,
    `/proc/${name}`,
    "file",
    (target) => {
      withTarget(root, "/dev/null", "file", (nothing) => mountBind(nothing, target), "refused");
    },
    "refused",
  );
}

function protect(root: Root, name: string): void {
  const found = kindOf(`/proc/${name}`);
  if (found === null) return;
  const kind = found === "folder" ? "folder" : "file";
  withTarget(root, `/proc/${name}`, kind, (target) => mountBind(target, target), "refused");
  withTarget(root, `/proc/${name}`, kind, (target) => remountBind(target, flags | MS_RDONLY), "refused");
}
