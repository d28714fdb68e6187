import { CgroupError } from "./errors.ts";

/** Parses a flat keyed file (`cpu.stat`, `memory.events`, `memory.oom_control`): one `key value` per line. */
export function parseCounters(text: string): ReadonlyMap<string, number> {
  const counters = new Map<string, number>();
  for (const line of text.split("\n")) {
    const fields = /^([a-z0-9_.]+) (\d+)$/.exec(line);
    if (fields !== null) counters.set(fields[1] as string, Number(fields[2]));
  }
  return counters;
}

/** Parses a file of one number (`memory.current`, `cpuacct.usage`); `max` is Infinity. Throws CgroupError naming the file. */
export function parseCounter(text: string, file: string): number {
  const value = text.trimEnd();
  if (value === "max") return Number.POSITIVE_INFINITY;
  if (!/^\d+$/.test(value)) throw new CgroupError(`${file}: "${value.slice(0, 40)}" is not a number`);
  return Number(value);
}

/** One counter of a flat keyed file; 0 where this kernel does not have it. */
export function counter(text: string, key: string): number {
  return parseCounters(text).get(key) ?? 0;
}
