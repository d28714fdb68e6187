import { readFileSync } from "node:fs";
import type { ControllerFile, Limits } from "../spec.ts";
import { writeControl, writeControlIfThere } from "./control-file.ts";
import { CgroupError } from "./errors.ts";

/** One value in one file of a group, as data: v1.ts and v2.ts say what a request means, apply() writes it. */
export interface Setting {
  /** The field of the request that this serves. */
  readonly field: keyof Limits;
  /** Absolute folder of the group. */
  readonly folder: string;
  readonly file: string;
  readonly value: string;
  /** True when a new group has this value already, so that only a change of limits needs to write it. */
  readonly initial: boolean;
  /** What to do on a kernel without this file; without it, a missing file is an error. */
  readonly missing?: "swappiness" | "swap must be off" | "ignore";
}

/** A file that the request sets by itself. */
export function fileSetting(folder: string, { file, value }: ControllerFile): Setting {
  return { field: "files", folder, file, value, initial: false };
}

/** Writes the settings in order. Throws CgroupError with field, file, value and errno of the first that fails. */
export function apply(settings: readonly Setting[]): void {
  for (const setting of settings) applyOne(setting);
}

function applyOne(setting: Setting): void {
  const { field, folder, file, value, missing } = setting;
  try {
    if (missing === undefined) return writeControl(folder, file, value);
    if (writeControlIfThere(folder, file, value)) return;
    if (missing === "swappiness") return writeControl(folder, "memory.swappiness", "0");
  } catch (error) {
    throw new CgroupError(`limits.${field}: ${(error as Error).message}`, (error as Error).cause);
  }
  if (missing === "swap must be off" && swapIsOn()) {
    throw new CgroupError(
      `limits.${field}: this kernel does not account for swap (no ${file}) and swap is on: run swapoff -a, or boot with swapaccount=1`,
    );
  }
}

function swapIsOn(): boolean {
  return readFileSync("/proc/swaps", "utf8").trimEnd().split("\n").length > 1;
}
