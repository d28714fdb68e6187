// Pressure stall information of a group (Documentation/accounting/psi.rst): how much of the time its processes had to wait.
import type { Pressure, Pressures } from "../spec.ts";
import { readControlIfThere } from "./control-file.ts";

/** Parses `some avg10=0.00 avg60=0.00 avg300=0.00 total=0` and, below it, the same for `full`; null for anything else. */
export function parsePressure(text: string): Pressure | null {
  const lines = new Map(
    [...text.matchAll(/^(some|full) avg10=([0-9.]+) .*total=(\d+)$/gm)].map(([, kind, avg10, total]) => [
      kind,
      { percent: Number(avg10), seconds: Number(total) / 1e6 },
    ]),
  );
  const some = lines.get("some");
  if (some === undefined) return null;
  const full = lines.get("full") ?? { percent: 0, seconds: 0 }; // cpu has had none before 5.13
  return { somePercent: some.percent, fullPercent: full.percent, someSeconds: some.seconds, fullSeconds: full.seconds };
}

/** Of a v2 group; null where the kernel keeps none (CONFIG_PSI, or `psi=0`). */
export function readPressures(folder: string): Pressures | null {
  const [cpu, memory, io] = ["cpu", "memory", "io"].map((name) => pressureIn(folder, `${name}.pressure`));
  if (cpu == null || memory == null || io == null) return null;
  return { cpu, memory, io };
}

/** Reading the file answers EOPNOTSUPP where pressure was turned off at boot. */
function pressureIn(folder: string, file: string): Pressure | null {
  try {
    const text = readControlIfThere(folder, file);
    return text === null ? null : parsePressure(text);
  } catch {
    return null;
  }
}
