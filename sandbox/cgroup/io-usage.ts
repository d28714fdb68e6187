// What a group has read and written, from `io.stat` (v2) and `blkio.throttle.io_service*` (v1).
import { readdirSync } from "node:fs";
import type { IoUsage } from "../spec.ts";

type Figures = Readonly<Record<keyof IoUsage, number>>;

const none: Figures = { readBytes: 0, writeBytes: 0, readOperations: 0, writeOperations: 0 };

/** A volume of device mapper or md and the disks below it both count the same traffic: only the disks are to be added up. */
export type IsStacked = (disk: string) => boolean;

/** `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`, one line for each disk. */
export function parseIoStat(text: string, isStacked: IsStacked = hasSlaves): IoUsage {
  const disks = [...text.matchAll(/^(\d+:\d+) (.*)$/gm)].map(([, disk = "", rest = ""]) => ({
    disk,
    values: new Map(rest.split(" ").map((setting) => setting.split("=", 2) as [string, string])),
  }));
  return sum(
    disks.map(({ disk, values }) => {
      const value = (key: string) => Number(values.get(key) ?? 0);
      const figures = { readBytes: value("rbytes"), writeBytes: value("wbytes") };
      return { disk, figures: { ...figures, readOperations: value("rios"), writeOperations: value("wios") } };
    }),
    isStacked,
  );
}

/**
 * Two files of lines like `254:0 Read 4096`; what stands for other directions and the total is left out. null when no disk
 * is in them: the kernel counts only on disks of which some group has a limit.
 */
export function parseBlkioStat(bytes: string, operations: string, isStacked: IsStacked = hasSlaves): IoUsage | null {
  if (!/^\d+:\d+ /m.test(bytes)) return null;
  const of = (text: string, direction: string, key: keyof IoUsage) =>
    [...text.matchAll(new RegExp(`^(\\d+:\\d+) ${direction} (\\d+)$`, "gm"))].map(([, disk = "", value]) => ({
      disk,
      figures: { ...none, [key]: Number(value) },
    }));
  return sum(
    [
      ...of(bytes, "Read", "readBytes"),
      ...of(bytes, "Write", "writeBytes"),
      ...of(operations, "Read", "readOperations"),
      ...of(operations, "Write", "writeOperations"),
    ],
    isStacked,
  );
}

function sum(entries: readonly { readonly disk: string; readonly figures: Figures }[], isStacked: IsStacked): IoUsage {
  const disks = new Set(entries.map(({ disk }) => disk));
  const counted = disks.size > 1 ? entries.filter(({ disk }) => !isStacked(disk)) : entries;
  return counted.reduce(
    (total, { figures }) => ({
      readBytes: total.readBytes + figures.readBytes,
      writeBytes: total.writeBytes + figures.writeBytes,
      readOperations: total.readOperations + figures.readOperations,
      writeOperations: total.writeOperations + figures.writeOperations,
    }),
    none,
  );
}

function hasSlaves(disk: string): boolean {
  try {
    return readdirSync(`/sys/dev/block/${disk}/slaves`).length > 0;
  } catch {
    return false; // no such folder for a disk that carries itself
  }
}
