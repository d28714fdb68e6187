/** DATA of `podium serve` when nothing is said. */
export const defaultData = "/var/lib/podium";
