// Names and numbers of system calls: libseccomp's, and those of kernels newer than libseccomp 2.5.4 (Debian 12).
import { syscallName, syscallNumber } from "../sys/seccomp.ts";
import { hostArchitecture } from "./architecture.ts";

/** Linux 6.5 to 6.19; from 424 on a call has the same number on every architecture (asm-generic/unistd.h). */
const newerCalls: Readonly<Record<string, number>> = {
  cachestat: 451,
  fchmodat2: 452,
  map_shadow_stack: 453,
  futex_wake: 454,
  futex_wait: 455,
  futex_requeue: 456,
  statmount: 457,
  listmount: 458,
  lsm_get_self_attr: 459,
  lsm_set_self_attr: 460,
  lsm_list_modules: 461,
  mseal: 462,
  setxattrat: 463,
  getxattrat: 464,
  listxattrat: 465,
  removexattrat: 466,
  open_tree_attr: 467,
  file_getattr: 468,
  file_setattr: 469,
  listns: 470,
};

/** Newer calls that one architecture alone has. */
const newerCallsByNodeArch: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  x64: { uretprobe: 335, uprobe: 336 },
  riscv64: { riscv_hwprobe: 258 },
};

const hostNewerCalls = { ...newerCalls, ...newerCallsByNodeArch[process.arch] };
const foreignNewerCalls = new Set(Object.values(newerCallsByNodeArch).flatMap((calls) => Object.keys(calls)));
const newerNames = new Map(Object.entries(hostNewerCalls).map(([name, number]) => [number, name]));

/** The host's number of a call; null when only other architectures have it; undefined when the name is unknown. */
export function callNumber(name: string): number | null | undefined {
  const newer = Object.hasOwn(hostNewerCalls, name) ? hostNewerCalls[name] : undefined;
  if (newer !== undefined) return newer;
  const number = syscallNumber(hostArchitecture().audit, name);
  if (number === undefined) return foreignNewerCalls.has(name) ? null : undefined;
  return number < 0 ? null : number;
}

/** The name of the host's call with this number; null when it has none that podium or libseccomp knows. */
export function callName(number: number): string | null {
  return newerNames.get(number) ?? syscallName(hostArchitecture().audit, number);
}
