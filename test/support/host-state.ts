// What podium may leave on a host, taken as a set of lines, so that a snapshot from before and one from after a suite
// can be compared: whatever is new is a leak, and its line says what it is.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { commandLine } from "./runner/process-group.ts";
import { stretched } from "./slowness.ts";

/** Each entry is a kind and what identifies the thing, for example `mount /run/podium/a`. */
export type HostState = ReadonlySet<string>;

export function hostState(): HostState {
  const all = [cgroups, mounts, links, namedNetworkNamespaces, nftTables, processes, files, systemVIpc];
  return new Set(all.flatMap((collect) => collect()));
}

/** What `after` has and `before` had not, sorted. */
export function leaks(before: HostState, after: HostState): string[] {
  return [...after].filter((entry) => !before.has(entry)).sort();
}

/**
 * The leaks once the host has settled: helper processes need up to 5 s to end by themselves, and the kernel takes namespaces
 * and groups away on its own time, which on a busy machine is later.
 */
export async function settledLeaks(before: HostState, settleMs = stretched(30_000)): Promise<string[]> {
  const deadline = performance.now() + settleMs;
  let found = leaks(before, hostState());
  while (found.length > 0 && performance.now() < deadline) {
    await sleep(250);
    found = leaks(before, hostState());
  }
  return found;
}

function cgroups(): string[] {
  return foldersBelow("/sys/fs/cgroup")
    .filter((path) => path.includes("podium"))
    .map((path) => `cgroup ${path}`);
}

function foldersBelow(path: string): string[] {
  const folders = entriesOf(path).filter((entry) => entry.isDirectory());
  return folders.map((entry) => `${path}/${entry.name}`).flatMap((folder) => [folder, ...foldersBelow(folder)]);
}

function mounts(): string[] {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return lines.filter((line) => line.includes("podium")).map((line) => `mount ${line.split(" ")[4]}`);
}

function links(): string[] {
  return namesIn("/sys/class/net").map((name) => `link ${name}`);
}

function namedNetworkNamespaces(): string[] {
  return namesIn("/run/netns").map((name) => `network namespace ${name}`);
}

function nftTables(): string[] {
  const tables = execFileSync("nft", ["list", "tables"], { encoding: "utf8" }).split("\n");
  return tables.filter((table) => table.includes("podium")).map((table) => `nftables ${table}`);
}

const ownProcess = /podium[:\s-]+(zygote|init|network)|dist\/(zygote\.cjs|network-agent\.cjs|podium\.js)/;

function processes(): string[] {
  const pids = namesIn("/proc").filter((name) => /^\d+$/.test(name));
  const lines = pids.map((pid) => `${pid} ${commandLine(pid)}`).filter((line) => ownProcess.test(line));
  return lines.map((line) => `process ${line}`);
}

function files(): string[] {
  const temporary = [...new Set(["/tmp", "/var/tmp", tmpdir()])].flatMap((folder) =>
    namesIn(folder).map((name) => join(folder, name)),
  );
  return [
    // `ids` and `network` hold no state, only locks (user-namespaces.ts, host-lock.ts), and may stay.
    ...namesIn("/run/podium")
      .filter((name) => name !== "ids" && name !== "network")
      .map((name) => `/run/podium/${name}`),
    ...temporary.filter((path) => basename(path).startsWith("podium")),
  ].map((path) => `file ${path}`);
}

/** Shared memory, semaphores and message queues by their id; sysvipc(7). */
function systemVIpc(): string[] {
  return ["shm", "sem", "msg"].flatMap((kind) => {
    const rows = readFileSync(`/proc/sysvipc/${kind}`, "utf8").trim().split("\n").slice(1);
    return rows.map((row) => `System V ${kind} ${row.trim().split(/\s+/)[1]}`);
  });
}

function namesIn(path: string): string[] {
  return entriesOf(path).map((entry) => entry.name);
}

/** The entries of a folder; none when it is not there (any more). */
function entriesOf(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if (["ENOENT", "ENODEV"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw error;
  }
}
