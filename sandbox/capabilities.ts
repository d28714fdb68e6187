// Which capabilities a job may have (capabilities(7)). Its mount, uts, ipc, net, pid and cgroup namespaces belong to the
// host's user namespace, so only what the kernel asks of the job's own user namespace can work. All else is refused by
// name, with the reason, rather than given without effect.

const notHere = "the kernel asks for it in the host's user namespace, where a job has none";
const network = "networks of jobs belong to the host, whose user namespace the kernel asks";

/** In the order of their numbers (linux/capability.h). `true`: works. `served`: another means does it. Text: why not. */
const table = {
  CHOWN: true,
  DAC_OVERRIDE: true,
  DAC_READ_SEARCH: true,
  FOWNER: true,
  FSETID: true,
  KILL: true,
  SETGID: true,
  SETUID: true,
  SETPCAP: true,
  LINUX_IMMUTABLE: notHere,
  NET_BIND_SERVICE: "served",
  NET_BROADCAST: "no kernel asks for it",
  NET_ADMIN: network,
  NET_RAW: `${network}; ping works without it`,
  IPC_LOCK: notHere,
  IPC_OWNER: "the job's IPC namespace belongs to the host",
  SYS_MODULE: notHere,
  SYS_RAWIO: notHere,
  SYS_CHROOT: true,
  SYS_PTRACE: true,
  SYS_PACCT: notHere,
  SYS_ADMIN: "mounts and namespaces of jobs belong to the host, whose user namespace the kernel asks",
  SYS_BOOT: notHere,
  SYS_NICE: true,
  SYS_RESOURCE: notHere,
  SYS_TIME: notHere,
  SYS_TTY_CONFIG: notHere,
  MKNOD: "device nodes cannot be made in a user namespace; /dev has the usual ones",
  LEASE: notHere,
  AUDIT_WRITE: "the kernel's audit answers nobody in a user namespace; programs go on without it",
  AUDIT_CONTROL: notHere,
  SETFCAP: true,
  MAC_OVERRIDE: notHere,
  MAC_ADMIN: notHere,
  SYSLOG: notHere,
  WAKE_ALARM: notHere,
  BLOCK_SUSPEND: notHere,
  AUDIT_READ: notHere,
  PERFMON: notHere,
  BPF: notHere,
  CHECKPOINT_RESTORE: notHere,
} as const satisfies Readonly<Record<string, true | string>>;

type Name = keyof typeof table;
/** A capability that a job can have, without `CAP_`. */
export type Capability = { [N in Name]: (typeof table)[N] extends true ? N : never }[Name];

const names = Object.keys(table) as Name[];
/** All that the kernel has, in the order of their numbers. */
export const capabilityNames: readonly string[] = names;
export const workingCapabilities = names.filter((name): name is Capability => table[name] === true);

/** What Docker and containerd give unless told otherwise, less what cannot work. */
const ociDefault = "oci-default";
const ociDefaultSet: readonly Capability[] = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "SETPCAP",
  "SYS_CHROOT",
  "SETFCAP",
];

/**
 * With these a job could leave on the host, in a folder that it may write, a program with the rights of the folder's
 * owner: FSETID keeps the set-uid bit of a file that is written, SETFCAP gives a file capabilities of its own.
 */
const plantingOnHost: readonly Capability[] = ["FSETID", "SETFCAP"];

/** `reason` follows the name in a sentence. */
export type Refused = { readonly name: string; readonly reason: string; readonly mend: string };

/** Names as asked for (any case, with or without CAP_, or `oci-default`) as capabilities in the order of their numbers. */
export function capabilitiesNamed(asked: readonly string[], writesHost: boolean): Capability[] | Refused {
  const found = new Set<Capability>();
  for (const text of asked) {
    const one = text.toLowerCase() === ociDefault ? [...ociDefaultSet] : capabilityNamed(text);
    if (!Array.isArray(one)) return one;
    for (const name of one) {
      if (!writesHost || !plantingOnHost.includes(name)) found.add(name);
      else if (one.length === 1) return refuseOnHost(text);
    }
  }
  return workingCapabilities.filter((name) => found.has(name));
}

function refuseOnHost(name: string): Refused {
  return {
    name,
    reason: "would let the job leave privileged programs in a folder of the host that it may write",
    mend: "grant the folders read-only, or use an overlay",
  };
}

/** One capability; none for what is served by other means. */
function capabilityNamed(text: string): Capability[] | Refused {
  const name = text.toUpperCase().replace(/^CAP_/, "");
  if (!Object.hasOwn(table, name)) {
    return { name: text, reason: "is no capability", mend: `use ${ociDefault}, or names such as CHOWN and SYS_PTRACE` };
  }
  const verdict = table[name as Name];
  if (verdict === "served") return [];
  if (verdict === true) return [name as Capability];
  return { name: text, reason: `cannot be given to a job: ${verdict}`, mend: "leave it out" };
}

/** Bit n = capability n, as capset(2) wants it. */
export function capabilityMask(capabilities: readonly Capability[]): bigint {
  return capabilities.reduce((mask, name) => mask | (1n << BigInt(names.indexOf(name))), 0n);
}
