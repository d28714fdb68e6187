// The control groups of a process, as the host sees them: by its pid, whatever podium calls them.
import { readFileSync } from "node:fs";
import { parseMountInfo } from "../../sandbox/cgroup/mountinfo.ts";
import { groupFolder } from "../../sandbox/cgroup/own-group.ts";
import { parseProcCgroup } from "../../sandbox/cgroup/proc-cgroup.ts";

/** Folder of its group in the hierarchy of a v1 controller, or of its one group where v2 has the controllers. */
export function groupOf(pid: number, controller: string): string {
  const mounts = parseMountInfo(readFileSync("/proc/self/mountinfo", "utf8"));
  const memberships = parseProcCgroup(readFileSync(`/proc/${pid}/cgroup`, "utf8"));
  const v1 = memberships.find(({ controllers }) => controllers.includes(controller));
  const path = (v1 ?? memberships.find(({ controllers }) => controllers.length === 0))?.path ?? "";
  const folders = mounts
    .filter(({ type, superOptions }) =>
      v1 ? type === "cgroup" && superOptions.includes(controller) : type === "cgroup2",
    )
    .map((mount) => groupFolder(mount, path));
  const folder = folders.find((found) => found !== null);
  if (folder == null) throw new Error(`process ${pid} has no group of the ${controller} controller`);
  return folder;
}

/** The first of these files that its group has, v2's and v1's name for the same, without the newline at its end. */
export function groupFile(pid: number, controller: string, ...names: readonly string[]): string {
  const folder = groupOf(pid, controller);
  for (const name of names) {
    try {
      return readFileSync(`${folder}/${name}`, "utf8").trimEnd();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  throw new Error(`${folder} has none of ${names.join(", ")}`);
}
