// The machine as a whole: who podium is on it, kernel and Node, security modules, settings, clock. All of it is looked up
// in files, so that a test can show another machine.
import { readFileSync } from "node:fs";
import { arch, release } from "node:os";
import { type Check, lacking, met, wanting } from "../../sandbox/requirements/check.ts";
import { clockIsKept } from "../../sandbox/sys/clock.ts";

export interface Machine {
  readonly uid: number;
  readonly kernel: string;
  readonly arch: string;
  readonly node: string;
  readonly now: Date;
  readonly clockIsKept: boolean;
  /** Content of a file, without the newline at its end; null when there is none to be had. */
  readonly read: (path: string) => string | null;
}

export function thisMachine(): Machine {
  return {
    uid: process.getuid?.() ?? -1,
    kernel: release(),
    arch: arch(),
    node: process.versions.node,
    now: new Date(),
    clockIsKept: clockIsKept(),
    read: readIfThere,
  };
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8").replaceAll("\0", "").trimEnd();
  } catch {
    return null; // not there, or not for this user: the same to who only looks
  }
}

export function systemChecks(machine: Machine): Check[] {
  return [
    rootCheck(machine),
    kernelCheck(machine),
    nodeCheck(machine),
    ...securityModuleChecks(machine),
    ...settingChecks(machine),
    clockCheck(machine),
  ];
}

const wholeIdRange = /^\s*0\s+0\s+4294967295$/;
/** Those of capabilities(7) without which no job can be set up, with their bits. */
const capabilities = { CHOWN: 0, SETGID: 6, SETUID: 7, SYS_ADMIN: 21, MKNOD: 27 } as const;

function rootCheck({ uid, read }: Machine): Check {
  if (uid !== 0) return lacking("root", `podium runs as user ${uid}`, "run it as root");
  const map = read("/proc/self/uid_map");
  if (map !== null && !wholeIdRange.test(map)) {
    const mend =
      "run podium outside of the user namespace (containers: without userns-remap, rootless mode is not enough)";
    return lacking("root", "this root is one of a user namespace, not the host's", mend);
  }
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(read("/proc/self/status") ?? "")?.[1] ?? "0"}`);
  const missing = Object.entries(capabilities)
    .filter(([, bit]) => ((effective >> BigInt(bit)) & 1n) === 0n)
    .map(([name]) => `CAP_${name}`);
  if (missing.length === 0) return met("root", "root of the host");
  return lacking("root", `this root lacks ${missing.join(", ")}`, "give podium these (containers: --privileged)");
}

const oldestKernel = [5, 14] as const;

function kernelCheck({ kernel, arch: machine }: Machine): Check {
  const [major = 0, minor = 0] = kernel.split(".").map(Number.parseFloat);
  const isNew = major > oldestKernel[0] || (major === oldestKernel[0] && minor >= oldestKernel[1]);
  if (!isNew) return lacking("kernel", `Linux ${kernel} is too old`, "use Linux 5.14 or later");
  if (machine !== "x64" && machine !== "arm64")
    return lacking("kernel", `podium does not know the system calls of ${machine}`, "use x86-64 or arm64");
  return met("kernel", `Linux ${kernel} on ${machine}`);
}

function nodeCheck({ node }: Machine): Check {
  const [major = 0, minor = 0] = node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return met("node", `Node ${node}`);
  return lacking("node", `Node ${node} is too old`, "use Node 20.19 or later");
}

/** Both guard unprivileged processes first of all; what holds for podium's root is said, and the trials show it. */
function securityModuleChecks({ read }: Machine): Check[] {
  const own = read("/proc/self/attr/current") ?? "";
  const checks: Check[] = [];
  const restricted =
    read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") === "1" ||
    read("/proc/sys/kernel/unprivileged_userns_clone") === "0";
  if (restricted)
    checks.push(
      met("unprivileged namespaces", "refused to ordinary users of this host; podium makes them as root, who may"),
    );
  if (read("/sys/module/apparmor/parameters/enabled") === "Y") checks.push(appArmorCheck(own));
  const enforcing = read("/sys/fs/selinux/enforce");
  if (enforcing !== null) checks.push(selinuxCheck(own, enforcing === "1"));
  return checks;
}

function appArmorCheck(own: string): Check {
  const confined = /^(.+) \((enforce|kill)\)$/.exec(own);
  if (confined === null) return met("apparmor", "on, and podium is not confined by a profile");
  const detail = `podium is confined by the profile ${confined[1]}, which may refuse it mounts and namespaces`;
  return wanting("apparmor", detail, "run it unconfined (containers: --security-opt apparmor=unconfined)");
}

function selinuxCheck(own: string, enforcing: boolean): Check {
  if (!enforcing) return met("selinux", "permissive: it refuses nothing");
  const type = own.split(":")[2] ?? "";
  if (/^(unconfined_t|unconfined_service_t|spc_t|initrc_t|kernel_t)$/.test(type))
    return met("selinux", `enforcing, and podium runs as ${type}, which it does not confine`);
  const mend = "run it unconfined: SELinuxContext=system_u:system_r:unconfined_service_t:s0 in its unit";
  return wanting("selinux", `enforcing, and podium runs as ${type}, which may be refused mounts and namespaces`, mend);
}

/** What 1,000 jobs at once take, roughly. */
const wanted: readonly (readonly [setting: string, least: number, what: string])[] = [
  ["user/max_user_namespaces", 1100, "user namespaces, one for each job"],
  ["user/max_pid_namespaces", 1100, "pid namespaces, one for each job"],
  ["user/max_mnt_namespaces", 1100, "mount namespaces, one for each job"],
  ["user/max_uts_namespaces", 1100, "uts namespaces, one for each job"],
  ["user/max_ipc_namespaces", 1100, "ipc namespaces, one for each job"],
  ["user/max_net_namespaces", 1100, "network namespaces, one for each job"],
  ["user/max_cgroup_namespaces", 1100, "cgroup namespaces, one for each job"],
  ["kernel/pid_max", 16_384, "processes and threads"],
  ["kernel/threads-max", 16_384, "processes and threads"],
  ["fs/inotify/max_user_watches", 4096, "files that are followed, one for each stream that somebody reads"],
  ["fs/inotify/max_user_instances", 16, "inotify instances, one for each server"],
];

function settingChecks({ read }: Machine): Check[] {
  const low = wanted.flatMap(([setting, least, what]) => {
    const value = Number(read(`/proc/sys/${setting}`) ?? Number.NaN);
    if (!(value < least)) return [];
    const name = setting.replaceAll("/", ".");
    const mend = `sysctl -w ${name}=${least * 10}`;
    const detail = `${name} is ${value}: ${what}`;
    return value === 0 ? [lacking("sysctl", `${detail}; none can be made`, mend)] : [wanting("sysctl", detail, mend)];
  });
  return low.length > 0 ? low : [met("sysctl", "enough for a thousand jobs at once")];
}

/** Nothing of podium is older. */
const firstDay = Date.UTC(2025, 0, 1);

function clockCheck({ now, clockIsKept: kept }: Machine): Check {
  if (now.getTime() < firstDay) {
    const detail = `it is ${now.toISOString()} here, before podium was written: certificates are not valid yet`;
    return lacking("clock", detail, "set it: timedatectl set-ntp true, or date -s");
  }
  if (kept) return met("clock", `${now.toISOString()}, kept by a time service`);
  const detail = `${now.toISOString()}, and nothing keeps it right: certificates and times of jobs depend on it`;
  return wanting("clock", detail, "timedatectl set-ntp true, or install chrony");
}
