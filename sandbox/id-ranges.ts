// Which ids of the host are for jobs: each job has a whole range to itself, whose first id is uid 0 inside.

/** Ids of one job. Ranges begin at a multiple of this, so that servers with different settings agree on what a range is. */
export const idsPerJob = 0x10000;

export interface IdRanges {
  /** Host id of the first range: a multiple of `idsPerJob`, not 0. */
  readonly first: number;
  /** Number of ranges, which is how many jobs can be there at once. */
  readonly ranges: number;
}

/** 1073741824 to 1610612735: far from people and services, and below 2^31, which ping_group_range wants. */
export const usualIdRanges: IdRanges = { first: 0x40000000, ranges: 8192 };

const end = 2 ** 31;

/** Why these ranges cannot be; null when they can. */
export function idRangesProblem({ first, ranges }: IdRanges): string | null {
  if (first < idsPerJob || first % idsPerJob !== 0) return `first must be a multiple of ${idsPerJob}, and not 0`;
  if (first + ranges * idsPerJob > end) return `the last id must be below ${end}`;
  return null;
}
