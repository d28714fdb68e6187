// What a test may require of the host. Two kinds: what the set-up installs (scripts/setup.mjs) fails the test when it
// is missing, because a skipped test proves nothing; what only another kernel or machine could give skips it, with the
// reason in the report.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { debianTreeProblem } from "./debian-tree.ts";
import { slowness, stretched } from "./slowness.ts";

interface Probe {
  readonly missing: "fails" | "skips";
  /** null when the host has it, else why not. */
  readonly probe: () => string | null;
}

function tool(...command: [string, ...string[]]): Probe {
  return { missing: "fails", probe: () => commandProblem(command) };
}

const probes = {
  root: { missing: "fails", probe: () => (process.getuid?.() === 0 ? null : "the tests must run as root") },
  libseccomp: { missing: "fails", probe: libseccompProblem },
  bwrap: tool("bwrap", "--version"),
  nft: tool("nft", "--version"),
  ip: tool("ip", "-Version"),
  gcc: tool("gcc", "--version"),
  strace: tool("strace", "--version"),
  debootstrap: tool("debootstrap", "--version"),
  // A host without a way to the archive can have none, and nothing of the product is missing then.
  "debian-tree": { missing: "skips", probe: debianTreeProblem },
  openssl: tool("openssl", "version"),
  python3: tool("python3", "--version"),
  tmux: tool("tmux", "-V"),
  qemu: tool("qemu-system-x86_64", "--version"),
  kvm: { missing: "skips", probe: kvmProblem },
  cgroup1: { missing: "skips", probe: cgroup1Problem },
  cgroup2: { missing: "skips", probe: () => cgroup2Problem(["cpu", "memory", "pids"]) },
  // Buffered writes are charged to their writer only where io and memory share the v2 hierarchy.
  "v2-buffered-io": { missing: "skips", probe: () => cgroup2Problem(["io", "memory"]) },
  netadmin: { missing: "skips", probe: () => capabilityProblem("CAP_NET_ADMIN", 12) },
  swap: { missing: "skips", probe: swapProblem },
  systemd: { missing: "skips", probe: systemdProblem },
  // For what says nothing about another kernel and takes minutes where every instruction is translated.
  swift: { missing: "skips", probe: swiftProblem },
  // What would disturb others on a machine that is not the test's own: its clock, for one.
  "own-machine": { missing: "skips", probe: ownMachineProblem },
} satisfies Record<string, Probe>;

export type RequirementName = keyof typeof probes;

export interface Requirement {
  /** null when the host has all of it, else the reason to skip; throws when something is missing that must be there. */
  check(): string | null;
}

/** A test's requirements, by name; throws on an unknown name. */
export function requires(...names: [RequirementName, ...RequirementName[]]): Requirement {
  for (const name of names) {
    if (!Object.hasOwn(probes, name)) {
      throw new Error(`unknown requirement "${name}"; known: ${Object.keys(probes).join(", ")}`);
    }
  }
  return { check: () => firstSkipReason(names) };
}

function firstSkipReason(names: readonly RequirementName[]): string | null {
  const problems = names.map((name) => ({ name, missing: probes[name].missing, problem: problemOf(name) }));
  const fatal = problems.find(({ missing, problem }) => missing === "fails" && problem !== null);
  if (fatal !== undefined) throw new Error(`requires ${fatal.name}: ${fatal.problem}; node scripts/setup.mjs --tests`);
  const skip = problems.find(({ problem }) => problem !== null);
  return skip === undefined ? null : `requires ${skip.name}: ${skip.problem}`;
}

const known = new Map<RequirementName, string | null>();

function problemOf(name: RequirementName): string | null {
  if (!known.has(name)) known.set(name, probes[name].probe());
  return known.get(name) ?? null;
}

function commandProblem([program, ...args]: readonly [string, ...string[]]): string | null {
  const { error, status, stderr } = spawnSync(program, args, { encoding: "utf8", timeout: stretched(60_000) });
  if (error !== undefined) return `${program} does not run: ${error.message}`;
  return status === 0 ? null : `${program} ${args.join(" ")} ended ${status}: ${stderr.trim()}`;
}

function libseccompProblem(): string | null {
  const { stdout } = spawnSync("/sbin/ldconfig", ["-p"], { encoding: "utf8" });
  return stdout?.includes("libseccomp.so.2") ? null : "libseccomp.so.2 is not installed";
}

/** /dev/kvm may be there and not work, so a machine without devices is started on it. */
function kvmProblem(): string | null {
  if (!existsSync("/dev/kvm")) return "there is no /dev/kvm";
  const args = ["-machine", "none,accel=kvm", "-nodefaults", "-display", "none", "-monitor", "stdio"];
  const { status } = spawnSync("qemu-system-x86_64", args, { input: "quit\n", timeout: 30_000 });
  return status === 0 ? null : "/dev/kvm is there and does not work";
}

function cgroup1Problem(): string | null {
  const types = mountTypes();
  return types.has("cgroup") ? null : "no cgroup v1 hierarchy is mounted";
}

function cgroup2Problem(controllers: readonly string[]): string | null {
  const root = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((path) => existsSync(`${path}/cgroup.controllers`));
  if (root === undefined) return "cgroup v2 is not mounted";
  const offered = readFileSync(`${root}/cgroup.controllers`, "utf8").trim().split(" ");
  const absent = controllers.filter((controller) => !offered.includes(controller));
  return absent.length === 0 ? null : `cgroup v2 has no ${absent.join(", ")} controller here (still on v1)`;
}

function mountTypes(): Set<string> {
  const lines = readFileSync("/proc/self/mounts", "utf8").split("\n");
  return new Set(lines.map((line) => line.split(" ")[2] ?? ""));
}

function capabilityProblem(name: string, bit: number): string | null {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return (BigInt(`0x${effective}`) >> BigInt(bit)) & 1n ? null : `this process lacks ${name}`;
}

function systemdProblem(): string | null {
  const name = readFileSync("/proc/1/comm", "utf8").trim();
  return name === "systemd" ? null : `pid 1 is ${name}`;
}

function swiftProblem(): string | null {
  return slowness === 1 ? null : `this machine is emulated: all takes up to ${slowness} times as long`;
}

/** scripts/vm-disks.mjs */
function ownMachineProblem(): string | null {
  const isGuest = hostname() === "podium-guest" && existsSync("/podium/guest.sh");
  return isGuest ? null : "this machine is not the tests' own";
}

function swapProblem(): string | null {
  return readFileSync("/proc/swaps", "utf8").trim().split("\n").length > 1 ? null : "the host has no swap";
}
