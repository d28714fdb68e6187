// What one sandbox is: plain data, ready to send to the zygote as JSON. It is complete and already checked: the zygote
// and init trust it, so whoever builds it (src/) validates first.
import type { Capability } from "./capabilities.ts";

/** Limits of one job. 0 means "no limit" except where noted. */
export interface Limits {
  /** Cores, for example 0.5 for half a core. */
  readonly cpus: number;
  /** Bytes of memory, page cache and tmpfs included. */
  readonly memoryBytes: number;
  /** Bytes per second for reads and, separately, for writes. */
  readonly ioBytesPerSecond: number;
  /** Processes and threads together. */
  readonly pids: number;
  /** Share of the processors where several jobs want more than there is: 1 to 10000, 0 or absent is the usual 100. */
  readonly cpuWeight?: number;
  /** Bytes of memory above which the job is slowed down and its pages are taken back (v2 only). */
  readonly memoryHighBytes?: number;
  /** Requests per second for reads and, separately, for writes. */
  readonly ioOperationsPerSecond?: number;
  /** Processors it may run on, as `0-2,5`; "" or absent is all. */
  readonly cpuset?: string;
  /** Files of controllers that are written as they stand, after all others. */
  readonly files?: readonly ControllerFile[];
}

/** One value for one file of the job's control group, for example `cpu.max` and `50000 100000`. */
export interface ControllerFile {
  readonly file: string;
  readonly value: string;
}

/** Of each output stream, in bytes; 0 = no limit. */
export interface OutputLimit {
  readonly bytes: number;
  /** True: the job ends when a stream is longer. False: the first and the last half are kept and the middle is freed. */
  readonly kill: boolean;
}

/** Of the file `log-index` of a job folder (init/log-index.ts). */
export const logIndexFormat = {
  head: "podium log-index 1      ",
  recordBytes: 24,
  mostRecords: 16_384,
} as const;

/** A host folder or file made visible inside: `source` is an absolute host path without links, `target` a guest path. */
export interface Grant {
  readonly source: string;
  readonly target: string;
  readonly writable: boolean;
}

export interface TmpfsMount {
  readonly target: string;
  readonly sizeBytes: number;
}

/** Characters, 0 to 65535 each; 0 = unknown. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

export type RootfsMode = "overlay" | "ro" | "rw";

export interface Rootfs {
  /** Absolute host path, without links, of the folder that becomes `/`. */
  readonly path: string;
  readonly mode: RootfsMode;
  /** Of an overlay: what changes may take, in bytes and in files. */
  readonly sizeBytes: number;
  readonly inodes: number;
}

/** `none`: a namespace with nothing but lo. `namespace`: a ready one, by the path of its file (ip-netns(8)). */
export type Network = { readonly kind: "none" } | { readonly kind: "namespace"; readonly path: string };

/** Content of the job's /etc/hosts and /etc/resolv.conf. */
export interface Names {
  readonly hosts: string;
  readonly resolvConf: string;
}

export interface SandboxSpec {
  /** Program (a path, or a name searched in the job's PATH inside the root) and its arguments; never empty. */
  readonly argv: readonly string[];
  /** The command's whole environment; order is kept. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute guest path. */
  readonly cwd: string;
  readonly hostname: string;
  /** Ids as the job sees them, 0 to 65535. */
  readonly user: { readonly uid: number; readonly gid: number };
  /** Of the job's own user namespace; the bounding set holds these and no others. */
  readonly capabilities: readonly Capability[];
  /** null: the read-only view of the host's /usr. */
  readonly rootfs: Rootfs | null;
  readonly grants: readonly Grant[];
  readonly tmpfs: readonly TmpfsMount[];
  readonly network: Network;
  /** Absent: a hosts file with loopback alone, and no resolver. */
  readonly names?: Names;
  readonly limits: Limits;
  /** Milliseconds of wall-clock time until the job is ended with cause TIMEOUT; 0 = none. */
  readonly timeoutMs: number;
  readonly output: OutputLimit;
  /** Seccomp filters as base64 of `struct sock_filter[]`, installed in this order; empty = unconfined. */
  readonly seccomp: readonly string[];
  /** Names of system calls by number, where a filter kills and init is to say for which call; else empty. */
  readonly callNames: readonly string[];
  /** Where stdin comes from: `null` is at end-of-file, `stream` is fed through the control socket. */
  readonly stdin: "null" | "stream";
  /** A terminal for stdin, stdout and stderr, of this size at first; null: pipes. With it `stdin` says whether anybody types. */
  readonly terminal: TerminalSize | null;
}

/** The part that a job's command and further ones in it have in common. */
export type ProgramSpec = Pick<
  SandboxSpec,
  "argv" | "env" | "cwd" | "user" | "capabilities" | "seccomp" | "callNames" | "stdin" | "terminal"
>;

/** Why a job ended (docs/contract.md). Exactly one for each. */
export const causes = [
  "EXITED",
  "SIGNALED",
  "OOM",
  "TIMEOUT",
  "OUTPUT_LIMIT",
  "STOPPED",
  "SECCOMP",
  "START_FAILED",
  "LOST",
] as const;
export type Cause = (typeof causes)[number];

/** What the job has used. Bytes and seconds; `memoryBytes` and `pids` are 0 once the job has ended. */
export interface Usage {
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
  readonly memoryPeakBytes: number;
  readonly pids: number;
  /** Most processes and threads at once. Absent, as what follows, where this kernel does not tell. */
  readonly pidsPeak?: number;
  readonly io?: IoUsage;
  readonly pressure?: Pressures;
}

/** On all disks together. */
export interface IoUsage {
  readonly readBytes: number;
  readonly writeBytes: number;
  readonly readOperations: number;
  readonly writeOperations: number;
}

/** How long processes waited for something: some of them, or all at once. Percent are of the last 10 s. */
export interface Pressure {
  readonly somePercent: number;
  readonly fullPercent: number;
  readonly someSeconds: number;
  readonly fullSeconds: number;
}

export interface Pressures {
  readonly cpu: Pressure;
  readonly memory: Pressure;
  readonly io: Pressure;
}

/** The exit record, `exit.json` of the job folder, written once by init (or by the server when there was no init). */
export interface ExitRecord {
  readonly cause: Cause;
  /** Exit code of the command, null when a signal ended it or it never ran. */
  readonly exitCode: number | null;
  /** For example `SIGKILL`; null when the command exited by itself. */
  readonly signal: string | null;
  /** Who asked for the stop (cause STOPPED), else "". */
  readonly by: string;
  /** One sentence for people. */
  readonly message: string;
  /** Cause START_FAILED: the named step and errno code, else "". */
  readonly step: string;
  readonly errno: string;
  /** Cause SECCOMP: the system call, where a rule of the job's profile killed for it. */
  readonly syscall?: string;
  /** Milliseconds since the epoch; startedAt is 0 when the command never ran. */
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  readonly usage: Usage;
}
