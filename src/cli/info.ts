// `podium info`: the server, who it takes the caller for, and what the caller may have.
import { Command } from "commander";
import { formatDuration, formatSize } from "../../sandbox/units.ts";
import { serverInfo } from "../client/info.ts";
import type { InfoResponse, Limits } from "../gen/podium.ts";
import { addConnectionOptions } from "./connection-options.ts";
import { encodeJson, type Json } from "./json.ts";
import { columns, printLines } from "./output.ts";
import { addOutputFormat, type OutputFormat } from "./output-format.ts";
import { printable } from "./printable.ts";
import { withPodium } from "./with-podium.ts";

export function infoCommand(): Command {
  return addConnectionOptions(addOutputFormat(new Command("info").action(info)));
}

async function info({ output }: OutputFormat, command: Command): Promise<void> {
  await withPodium(command, async (podium) => {
    const found = await serverInfo(podium);
    await printLines(...(output === "json" ? [encodeJson(infoJson(found))] : infoLines(found)));
  });
}

function infoJson(found: InfoResponse): Json {
  const plain = (value: object | undefined): Json => (value === undefined ? null : ({ ...value } as Json));
  return {
    version: found.version,
    apiVersion: found.apiVersion,
    dataId: found.dataId,
    user: found.user,
    role: roleOf(found),
    defaultLimits: plain(found.defaultLimits),
    maxLimits: plain(found.maxLimits),
    quota: plain(found.quota),
    serverQuota: plain(found.serverQuota),
    use: plain(found.use),
    queue: plain(found.queue),
  };
}

function roleOf({ role }: Pick<InfoResponse, "role">): string {
  return role.replace("ROLE_", "").toLowerCase();
}

function infoLines({ version, dataId, user, role, defaultLimits, maxLimits, ...rest }: InfoResponse): string[] {
  const rows = [
    ["server", `podium ${version}, DATA ${dataId}`],
    ["you", `${user}, ${roleOf({ role })}`],
    ["a job gets", limitsText(defaultLimits)],
    ["at most", limitsText(maxLimits)],
    ...standingRows(rest),
  ];
  return columns(rows.map((row) => row.map(printable)));
}

function limitsText(limits: Limits | undefined): string {
  if (limits === undefined) return "";
  const { cpus, memoryBytes, ioBytesPerSecond, pids, timeoutMs } = limits;
  const texts = [
    cpus > 0 && `${cpus} cores`,
    memoryBytes > 0n && `${size(memoryBytes)} memory`,
    ioBytesPerSecond > 0n && `${size(ioBytesPerSecond)} per second`,
    pids > 0n && `${pids} pids`,
    timeoutMs > 0n && formatDuration(Number(timeoutMs)),
  ];
  return texts.filter((text) => text !== false).join(", ") || "no limit";
}

function standingRows({ quota, use, queue }: Pick<InfoResponse, "quota" | "use" | "queue">): string[][] {
  if (quota === undefined || use === undefined) return [];
  const of = (used: string, limit: number | bigint, text: string) =>
    Number(limit) === 0 ? used : `${used} of ${text}`;
  return [
    ["your jobs", of(String(use.jobs), quota.jobs, String(quota.jobs))],
    ["starts", of(`${use.startsInLastMinute} within a minute`, quota.startsPerMinute, String(quota.startsPerMinute))],
    ["cores", of(String(use.cpus), quota.cpus, String(quota.cpus))],
    ["memory", of(size(use.memoryBytes), quota.memoryBytes, size(quota.memoryBytes))],
    ["disk", of(size(use.diskBytes), quota.diskBytes, size(quota.diskBytes))],
    [
      "queue",
      (queue?.size ?? 0n) === 0n ? "none" : `${use.queuedJobs} yours, ${queue?.waiting} of ${queue?.size} in all`,
    ],
  ];
}

function size(bytes: bigint): string {
  return formatSize(Number(bytes));
}
