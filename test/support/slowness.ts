// How many times longer everything may take on this machine: the one place from which every deadline of the tests is stretched.
// The virtual machine of `npm run test:vm` says so when it is emulated (scripts/vm-disks.mjs); anywhere else it is 1.

/** At least 1. */
export const slowness = Math.max(1, Number(process.env.TEST_SLOWNESS ?? "1"));

/** A deadline that was chosen for a real machine, as it is on this one. */
export function stretched(deadline: number): number {
  return deadline * slowness;
}
