// `io.max` of cgroup v2: one line per disk, `254:0 rbps=1048576 wbps=max riops=max wiops=max`
// (Documentation/admin-guide/cgroup-v2.rst).
import { CgroupError } from "./errors.ts";

/** Bytes per second; Infinity = no limit. */
export interface IoMax {
  readonly disk: string;
  readonly readBytesPerSecond: number;
  readonly writeBytesPerSecond: number;
}

/** The line that sets both directions of one disk; the iops limits stay as they are. */
export function formatIoMax(limit: IoMax): string {
  return `${limit.disk} rbps=${rate(limit.readBytesPerSecond)} wbps=${rate(limit.writeBytesPerSecond)}`;
}

/** The line that sets the requests per second of both directions of one disk; the byte rates stay as they are. */
export function formatOperations(disk: string, perSecond: number): string {
  return `${disk} riops=${rate(perSecond)} wiops=${rate(perSecond)}`;
}

/** Parses what the kernel shows: a disk without any limit has no line. Throws CgroupError for anything else. */
export function parseIoMax(text: string): IoMax[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map(parseLine);
}

function parseLine(line: string): IoMax {
  const [disk = "", ...settings] = line.trimEnd().split(" ");
  const values = new Map(settings.map((setting) => setting.split("=", 2) as [string, string]));
  const readBytesPerSecond = parseRate(values.get("rbps"));
  const writeBytesPerSecond = parseRate(values.get("wbps"));
  if (!/^\d+:\d+$/.test(disk) || Number.isNaN(readBytesPerSecond + writeBytesPerSecond)) {
    throw new CgroupError(`io.max: "${line.slice(0, 80)}" is not a line of the form "8:0 rbps=N wbps=N"`);
  }
  return { disk, readBytesPerSecond, writeBytesPerSecond };
}

function parseRate(text: string | undefined): number {
  if (text === "max") return Number.POSITIVE_INFINITY;
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : Number.NaN;
}

function rate(perSecond: number): string {
  return Number.isFinite(perSecond) ? String(perSecond) : "max";
}
