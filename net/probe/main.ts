// The process that asks: enters the job's network namespace, drops to the job's ids, resolves as the job would, tries once.
import { Resolver } from "node:dns/promises";
import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { dropGroups, setCapabilities, setIds } from "../../sandbox/sys/credentials.ts";
import { O_DIRECTORY, O_NONBLOCK, O_PATH, O_RDONLY, open } from "../../sandbox/sys/descriptors.ts";
import { SyscallError } from "../../sandbox/sys/errors.ts";
import { CLONE_NEWNET, setns } from "../../sandbox/sys/namespaces.ts";
import { connectTcp, pingOnce } from "../../sandbox/sys/probe-sockets.ts";
import { setNoNewPrivileges } from "../../sandbox/sys/process.ts";
import { openProcess } from "../../sandbox/sys/process-identity.ts";
import { openInRoot } from "../../sandbox/sys/resolve.ts";
import { bytesOf, formatAddress, parseAddress } from "../addresses.ts";
import { nameserversIn } from "../dns.ts";
import { type ProbeRequest, type ProbeResult, verdictOf } from "../reachability.ts";

interface Names {
  readonly hosts: string;
  readonly resolvConf: string;
}

/** With the paths of the namespace and of the root, whose files count; null: the texts do. */
interface Place extends ProbeRequest {
  readonly root: string | null;
}

const largestFile = 1 << 20;

function placeOf(request: ProbeRequest): Place {
  if (request.process === null) return { ...request, root: null };
  const folder = openProcess(request.process.pid, request.process.startTicks);
  if (folder === null) throw new Error("the job is over");
  const at = `/proc/self/fd/${folder}`;
  return { ...request, namespace: `${at}/ns/net`, root: `${at}/root` };
}

/** The job's own files, which it may have made anything of: nothing there is followed out of its root or can hold us up. */
function namesOf({ root, hosts, resolvConf }: Place): Names {
  if (root === null) return { hosts, resolvConf };
  const fd = open(root, O_PATH | O_DIRECTORY);
  try {
    return { hosts: textIn(fd, "/etc/hosts"), resolvConf: textIn(fd, "/etc/resolv.conf") };
  } finally {
    closeSync(fd);
  }
}

function textIn(root: number, path: string): string {
  let fd: number;
  try {
    fd = openInRoot(root, path, O_RDONLY | O_NONBLOCK);
  } catch (error) {
    if (error instanceof SyscallError) return "";
    throw error;
  }
  try {
    if (!fstatSync(fd).isFile()) return "";
    const bytes = Buffer.alloc(Math.min(fstatSync(fd).size, largestFile));
    return bytes.toString("utf8", 0, readSync(fd, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(fd);
  }
}

function enter({ namespace, uid, gid }: Place): void {
  const fd = openSync(namespace, "r");
  setns(fd, CLONE_NEWNET);
  closeSync(fd);
  setNoNewPrivileges();
  if (uid === 0 && gid === 0) return;
  dropGroups();
  setIds(uid, gid);
  setCapabilities(0n);
}

/** Addresses of a host in the order in which they are tried: hosts file first, then IPv4, then IPv6. */
async function addressesOf({ target, timeoutMs }: ProbeRequest, { hosts, resolvConf }: Names): Promise<string[]> {
  if (parseAddress(target.host) !== null) return [target.host];
  const listed = listedIn(hosts, target.host);
  if (listed.length > 0) return listed;
  const nameservers = nameserversIn(resolvConf);
  if (nameservers.length === 0) throw Object.assign(new Error("no nameserver"), { code: "ENONAMESERVER" });
  const resolver = new Resolver({ timeout: Math.max(1, Math.floor(timeoutMs / 2)), tries: 2 });
  resolver.setServers(nameservers.map((server) => (server.includes(":") ? `[${server}]` : server)));
  const found = await Promise.allSettled([resolver.resolve4(target.host), resolver.resolve6(target.host)]);
  const addresses = found.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
  if (addresses.length === 0) throw (found[0] as PromiseRejectedResult).reason;
  return addresses;
}

function listedIn(hosts: string, name: string): string[] {
  const lines = hosts.split("\n").map((line) => line.replace(/#.*/, "").trim().split(/\s+/));
  return lines.flatMap(([address = "", ...names]) => (names.includes(name) ? [address] : []));
}

function tryOne(address: string, port: number | null, timeoutMs: number): string {
  const parsed = parseAddress(address);
  if (parsed === null) return "EINVAL";
  try {
    if (port === null) pingOnce(bytesOf(parsed), timeoutMs);
    else connectTcp(bytesOf(parsed), port, timeoutMs);
    return "";
  } catch (error) {
    if (error instanceof SyscallError) return error.code;
    throw error;
  }
}

/** The first address that answers; else what the first one said. */
async function ask(request: ProbeRequest, names: Names): Promise<ProbeResult> {
  const start = performance.now();
  const took = () => performance.now() - start;
  try {
    const addresses = await addressesOf(request, names);
    let first: ProbeResult | null = null;
    for (const text of addresses) {
      const left = request.timeoutMs - took();
      const reason: string =
        left <= 0 ? "ETIMEDOUT" : tryOne(text, request.target.port, left / (first === null ? 1 : 2));
      const address = formatAddress(parseAddress(text) ?? { family: 4, value: 0n });
      if (reason === "") return { verdict: "reachable", milliseconds: took(), address, reason };
      first ??= { verdict: verdictOf(reason), milliseconds: took(), address, reason };
    }
    return first ?? { verdict: "unreachable", milliseconds: took(), address: "", reason: "ENODATA" };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "EFAILED";
    const reason = code === "ETIMEOUT" ? "ETIMEDOUT" : code;
    return { verdict: verdictOf(reason), milliseconds: took(), address: "", reason };
  }
}

async function main(): Promise<void> {
  const request = JSON.parse(readFileSync(0, "utf8")) as ProbeRequest;
  const place = placeOf(request);
  const names = namesOf(place);
  enter(place);
  process.stdout.write(JSON.stringify(await ask(request, names)));
}

main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
