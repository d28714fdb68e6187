// The table of docs/walls.md: which attacks are stopped behind all walls, and which by one of them alone.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Capability, capabilityNames, workingCapabilities } from "../../sandbox/capabilities.ts";
import { seccompPrograms } from "../../sandbox/seccomp/programs.ts";
import { startProgram, type TestRequest, type TestZygote } from "../support/sandbox.ts";
import { type Attacks, type Attempts, parseAttempts } from "./attacks.ts";

/** How a job differs from one that asked for nothing. `host`: no job, but root of the host behind the default filter alone. */
export const columns: readonly { readonly title: string; readonly request: TestRequest | "host" }[] = [
  { title: "all walls", request: {} },
  { title: "every `--cap-add`", request: { capabilities: workingCapabilities } },
  { title: "no seccomp", request: { seccomp: { kind: "unconfined" } } },
  {
    title: "namespaces alone",
    request: { seccomp: { kind: "unconfined" }, override: { capabilities: capabilityNames as readonly Capability[] } },
  },
  { title: "seccomp alone", request: "host" },
];

export const programs = [
  "mount-attacks",
  "chroot-escape",
  "kernel-attacks",
  "dirty-arguments",
  "init-attacks",
  "neighbour",
  "ipc",
  "capability-attacks",
  "under-filter",
] as const;

const parameters =
  "/proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hostname /proc/sys/kernel/panic /proc/sysrq-trigger " +
  "/proc/sys/fs/binfmt_misc/register /proc/sys/vm/panic_on_oom /proc/sys/net/ipv4/ip_forward /proc/sys/user/max_user_namespaces";
const writeParameters = `for f in ${parameters}; do (echo x > $f) 2>/dev/null && echo $f ok || echo $f refused; done`;

interface Row {
  readonly attack: string;
  readonly command: readonly [string, ...string[]];
  readonly attempts: RegExp;
  /** Without it, the host behind the filter alone is not attacked: it would be harmed. */
  readonly host?: true;
}

const mounts = { command: ["mount-attacks"], host: true } as const;
const kernel = { command: ["kernel-attacks"], host: true } as const;
const administration =
  /^(acct|settimeofday|clock_\w+|adjtimex|reboot|swap\w+|\w*_module|kexec_\w+|syslog-.*|quotactl|vhangup|set\w+name|iopl|ioperm|fanotify-filesystem|lookup_dcookie|nfsservctl)$/;
const capability = { command: ["capability-attacks"] } as const;

export const rows: readonly Row[] = [
  { attack: "mount a file system", ...mounts, attempts: /^mount-/ },
  { attack: "bind, move, remount, share a mount", ...mounts, attempts: /^(bind|move|remount|make)-/ },
  { attack: "uncover what podium has covered", ...mounts, attempts: /^(umount-|rename-proc-1$)/ },
  { attack: "the new mount interface", ...mounts, attempts: /^(open_tree|fsopen|fspick|move_mount|mount_setattr)/ },
  { attack: "pivot_root", ...mounts, attempts: /^pivot_root$/ },
  { attack: "climb out of the root", command: ["chroot-escape"], host: true, attempts: /^escape$/ },
  { attack: "make a namespace", ...mounts, attempts: /^(unshare|clone|clone3)-/ },
  { attack: "enter a namespace, ask for its owner", ...mounts, attempts: /^(setns|owner-of|parent-of|next|previous)-/ },
  { attack: "open by file handle", ...mounts, attempts: /^open_by_handle/ },
  { attack: "make a device node", ...mounts, attempts: /^mknod-/ },
  { attack: "administer the host", ...kernel, attempts: administration },
  { attack: "io_uring, bpf, keyrings, ptrace, …", ...kernel, attempts: /^(?!unknown|nfs)/ },
  { attack: "AF_ALG, AF_VSOCK and other sockets", command: ["dirty-arguments"], host: true, attempts: /^[A-Z]/ },
  { attack: "read, signal or trace podium's init", command: ["init-attacks"], attempts: /./ },
  { attack: "reach a process of the host", command: ["neighbour", String(process.pid)], attempts: /./ },
  { attack: "reach shared memory, queues and sockets of the host", command: ["ipc", "look"], attempts: /./ },
  {
    attack: "configure the network, raw sockets",
    ...capability,
    attempts: /^(set-link|raw-|packet-|socket-mark|force-)/,
  },
  { attack: "raise limits and priorities", ...capability, attempts: /^(nice|realtime|raise-|oom-score|huge-pipe)/ },
  {
    attack: "change the system's files",
    ...capability,
    attempts: /^(chown-etc|chmod-|read-closed|read-kcore|write-|trusted-|immutable|lease-)/,
  },
  { attack: "write parameters of the kernel", command: ["sh", "-c", writeParameters], attempts: /./ },
];

/** `stopped`: no attempt worked. `partly`: some did. `open`: all did. */
export type Verdict = "stopped" | "partly" | "open" | "";

export function verdict(attempts: Attempts, which: RegExp): Verdict {
  const results = [...attempts].filter(([name]) => which.test(name)).map(([, result]) => result);
  if (results.length === 0) throw new Error(`no attempt is named like ${which}`);
  const worked = results.filter((result) => result === "ok").length;
  if (worked === 0) return "stopped";
  return worked === results.length ? "open" : "partly";
}

/** Runs each program once for each column; rows of one program share its run. */
export class Observation {
  readonly #attacks: Attacks;
  readonly #zygote: TestZygote;
  readonly #runs = new Map<string, Promise<Attempts>>();

  constructor(attacks: Attacks, zygote: TestZygote) {
    this.#attacks = attacks;
    this.#zygote = zygote;
    const [filter = ""] = seccompPrograms({ kind: "default" }, { capabilities: [], writableGrants: false });
    writeFileSync(join(attacks.folder, "default.bpf"), Buffer.from(filter, "base64"));
  }

  async verdictOf({ command, attempts, host }: Row, request: TestRequest | "host"): Promise<Verdict> {
    if (request === "host" && !host) return "";
    const key = JSON.stringify([command, request]);
    const run = this.#runs.get(key) ?? (request === "host" ? this.#onHost(command) : this.#inJob(command, request));
    this.#runs.set(key, run);
    return verdict(await run, attempts);
  }

  async #inJob([name, ...args]: Row["command"], request: TestRequest): Promise<Attempts> {
    const grants = [{ source: this.#attacks.folder, target: "/attacks", writable: false }];
    const program = name === "sh" ? name : `/attacks/${name}`;
    const { record, stdout } = await this.#zygote.run([program, ...args], { ...request, grants });
    if (record.exitCode !== 0) throw new Error(`${name}: ${record.message}\n${stdout}`);
    return parseAttempts(stdout);
  }

  /** In mount, pid, uts, ipc and net namespaces of its own, so that what the filter lets through harms nobody. */
  async #onHost([name, ...args]: Row["command"]): Promise<Attempts> {
    const prepare =
      'mount -t tmpfs none /mnt && mkdir /mnt/attacks && mount --bind "$0" /mnt/attacks && mount -t tmpfs none /tmp && ' +
      'mount -t tmpfs none /dev/shm && cd /mnt/attacks && exec ./under-filter default.bpf "$@"';
    const own = ["--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    const command = [...own, "sh", "-c", prepare, this.#attacks.folder, `./${name}`, ...args];
    const ended = await startProgram("unshare", command, { input: "" }).ended;
    if (ended.code !== 0) throw new Error(`${name} on the host: ${ended.stderr}`);
    return parseAttempts(ended.stdout.toString());
  }
}

export function tableText(cells: readonly (readonly string[])[]): string {
  const line = (words: readonly string[]) => `| ${words.join(" | ")} |`;
  return [
    line(["attack", ...columns.map(({ title }) => title)]),
    line(["---", ...columns.map(() => "---")]),
    ...rows.map(({ attack }, i) => line([attack, ...(cells[i] ?? []).map((word) => word || "–")])),
  ].join("\n");
}
