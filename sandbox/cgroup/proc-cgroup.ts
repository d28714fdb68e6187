import { CgroupError } from "./errors.ts";

/** One line of /proc/PID/cgroup: `4:memory:/a/b` on v1, `0::/a/b` on v2 (cgroups(7)). */
export interface Membership {
  /** Empty on v2; `name=systemd` for a hierarchy without controller. */
  readonly controllers: readonly string[];
  /** Path of the group as this process's cgroup namespace shows it. */
  readonly path: string;
}

/** Parses /proc/PID/cgroup. Throws CgroupError naming the line that is none. */
export function parseProcCgroup(text: string): Membership[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const fields = /^\d+:([^:]*):(\/.*)$/.exec(line);
      if (fields === null)
        throw new CgroupError(`/proc/self/cgroup: "${line.slice(0, 80)}" is not ID:CONTROLLERS:PATH`);
      const controllers = fields[1] as string;
      return { controllers: controllers === "" ? [] : controllers.split(","), path: fields[2] as string };
    });
}
