// What job networks need of a host, each tried for real in a namespace of its own that is gone at once.
import { closeSync, existsSync, openSync } from "node:fs";
import { CLONE_NEWNET, setns, unshare } from "../sandbox/sys/namespaces.ts";
import { Connections } from "./connections.ts";
import { NetworkError } from "./errors.ts";
import { RouteSocket } from "./netlink.ts";
import { runProgram } from "./nft.ts";
import { bucketFor, tokenBucket } from "./rate.ts";

/** Something that is missing. */
export interface MissingPart {
  readonly part: "namespace" | "bridge" | "veth" | "nft" | "nft-bridge" | "nft-nat" | "conntrack" | "rate" | "ipv6";
  readonly reason: string;
  readonly mend: string;
  /** False: jobs get a network without it (`rate`, `ipv6`). */
  readonly fatal: boolean;
}

const modules = "use a kernel with it, or load the module";

/** Everything that is missing; empty: all can be had. */
export async function missingParts(): Promise<MissingPart[]> {
  const sockets = socketsInScratch();
  if ("part" in sockets) return [sockets];
  const { routes, connections } = sockets;
  try {
    const rest = [...(await missingConntrack(connections)), ...missingIpv6()];
    return [...(await missingLinks(routes)), ...(await missingRules()), ...rest];
  } finally {
    routes.close();
    connections.close();
  }
}

/** Sockets in a new namespace that lives as long as they do. */
function socketsInScratch(): { routes: RouteSocket; connections: Connections } | MissingPart {
  const home = openSync("/proc/thread-self/ns/net", "r");
  try {
    unshare(CLONE_NEWNET);
    try {
      return { routes: new RouteSocket(), connections: new Connections() };
    } finally {
      goHome(home);
    }
  } catch (error) {
    return {
      part: "namespace",
      reason: `no network namespace can be made (${(error as Error).message})`,
      mend: "run podium as root with CAP_SYS_ADMIN and CAP_NET_ADMIN",
      fatal: true,
    };
  } finally {
    closeSync(home);
  }
}

function goHome(home: number): void {
  try {
    setns(home, CLONE_NEWNET);
  } catch {
    process.abort();
  }
}

async function missingLinks(socket: RouteSocket): Promise<MissingPart[]> {
  const missing: MissingPart[] = [];
  const attempt = async (part: MissingPart["part"], what: string, mend: string, make: () => Promise<unknown>) => {
    try {
      await make();
    } catch (error) {
      missing.push({ part, reason: `${what} (${(error as Error).message})`, mend, fatal: part !== "rate" });
    }
  };
  await attempt("bridge", "no bridge can be made", `${modules} bridge`, () =>
    socket.addBridge("pod-try", "02:70:00:00:00:01"),
  );
  await attempt("veth", "no veth pair can be made", `${modules} veth`, () => tryVeth(socket));
  await attempt("rate", "no rate can be limited", `${modules} sch_tbf`, () => tryRate(socket));
  return missing;
}

async function tryVeth(socket: RouteSocket): Promise<void> {
  await socket.addPlainVeth("pv-try", "pv-peer");
  const [port, bridge] = [await socket.findLink("pv-try"), await socket.findLink("pod-try")];
  if (port !== null && bridge !== null) await socket.enslave(port.index, bridge.index);
}

async function tryRate(socket: RouteSocket): Promise<void> {
  const port = await socket.findLink("pv-try");
  if (port !== null) await socket.replaceRootQdisc(port.index, "tbf", tokenBucket(bucketFor(1 << 20, 1500)));
}

const trials: readonly (readonly [part: MissingPart["part"], what: string, rules: string, mend: string])[] = [
  [
    "nft",
    "nftables refuses filters",
    `table inet podium_try {
  set s {
    type ipv4_addr . ipv4_addr
    flags interval
  }
  chain c {
    type filter hook forward priority filter; policy accept;
    ct state established accept
    ip saddr . ip daddr @s reject with icmpx admin-prohibited
  }
}`,
    `${modules} nf_tables (Linux 5.6 or later)`,
  ],
  [
    "nft-bridge",
    "nftables refuses filters of bridges",
    `table bridge podium_try {
  chain c {
    type filter hook prerouting priority -300; policy accept;
    iifname "pv*" ether type ip drop
  }
}`,
    `${modules} nf_tables_bridge`,
  ],
  [
    "nft-nat",
    "nftables refuses address translation",
    `table inet podium_try {
  map m {
    type inet_proto . inet_service : ipv4_addr . inet_service
  }
  chain p {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local dnat ip to meta l4proto . th dport map @m
  }
  chain o {
    type nat hook postrouting priority srcnat; policy accept;
    oifname != "pod-*" masquerade
  }
}`,
    `${modules} nft_chain_nat, nft_masq and nft_fib_inet`,
  ],
];

/** `nft -c` asks the kernel and commits nothing (nft(8)). */
async function missingRules(): Promise<MissingPart[]> {
  const missing: MissingPart[] = [];
  for (const [part, what, rules, mend] of trials) {
    try {
      const { code, stderr } = await runProgram("nft", ["-c", "-f", "-"], `${rules}\n`, "apt-get install nftables");
      if (code !== 0) missing.push({ part, reason: `${what} (${stderr.split("\n")[0]})`, mend, fatal: true });
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      return [{ part: "nft", reason: error.message, mend: error.mend, fatal: true }];
    }
  }
  return missing;
}

async function missingConntrack(connections: Connections): Promise<MissingPart[]> {
  try {
    await connections.forgetAll(() => false);
    return [];
  } catch (error) {
    const reason = `the kernel cannot be made to forget connections (${(error as Error).message})`;
    return [{ part: "conntrack", reason, mend: `${modules} nf_conntrack_netlink`, fatal: true }];
  }
}

function missingIpv6(): MissingPart[] {
  if (existsSync("/proc/sys/net/ipv6")) return [];
  return [
    {
      part: "ipv6",
      reason: "this kernel has no IPv6: jobs get none",
      mend: "boot without ipv6.disable=1",
      fatal: false,
    },
  ];
}

/** A failure of the kernel's as what is missing on this host (NetworkError, unavailable), where that explains it. */
export async function explained(error: unknown): Promise<unknown> {
  if (error instanceof NetworkError && error.code !== "failed") return error;
  const missing = (await missingParts()).find(({ fatal }) => fatal);
  return missing === undefined ? error : new NetworkError("unavailable", missing.reason, missing.mend);
}
