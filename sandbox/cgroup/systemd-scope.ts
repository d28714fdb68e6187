// A scope of systemd's, delegated to this server: the place for groups when systemd runs the host. Unlike a service's
// own group it outlives the server's restart as long as a job runs in it, whatever KillMode= the service has.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { CgroupError } from "./errors.ts";
import type { MountInfo } from "./mountinfo.ts";
import { groupFolder } from "./own-group.ts";
import { pause } from "./pause.ts";
import { parseProcCgroup } from "./proc-cgroup.ts";

/** systemd answers before it has moved the process. */
const moveTimeoutMs = 5_000;

/** Folder of the scope `podium-TAG.scope`, made with the process in it unless an earlier server's is still there. Throws CgroupError. */
export function delegatedScope(tag: string, pid: number, mount: MountInfo): string {
  const unit = `podium-${tag}.scope`;
  const folder = `${mount.mountPoint}/system.slice/${unit}`;
  if (!existsSync(folder)) {
    askForScope(unit, pid);
    waitForMove(unit, pid, mount);
  }
  return folder;
}

function askForScope(unit: string, pid: number): void {
  const manager = ["org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"];
  const properties = ["3", "PIDs", "au", "1", String(pid), "Delegate", "b", "true", "Slice", "s", "system.slice"];
  const call = [
    "--quiet",
    "call",
    ...manager,
    "StartTransientUnit",
    "ssa(sv)a(sa(sv))",
    unit,
    "fail",
    ...properties,
    "0",
  ];
  const { error, status, stderr } = spawnSync("busctl", call, { encoding: "utf8", timeout: moveTimeoutMs });
  if (status === 0) return;
  const why = error?.message ?? stderr.trim();
  throw new CgroupError(`systemd gave no delegated scope ${unit} (busctl: ${why})`, error);
}

function waitForMove(unit: string, pid: number, mount: MountInfo): void {
  const deadline = performance.now() + moveTimeoutMs;
  while (performance.now() < deadline) {
    const memberships = parseProcCgroup(readFileSync(`/proc/${pid}/cgroup`, "utf8"));
    const path = memberships.find(({ controllers }) => controllers.length === 0)?.path ?? "";
    if (groupFolder(mount, path)?.endsWith(`/${unit}`)) return;
    pause(10);
  }
  throw new CgroupError(`systemd did not move process ${pid} into ${unit} within ${moveTimeoutMs / 1000} s`);
}
