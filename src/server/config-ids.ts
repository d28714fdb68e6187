// The part of the configuration that says which ids of the host are for jobs.
import { z } from "zod";
import { idRangesProblem, usualIdRanges } from "../../sandbox/id-ranges.ts";

export const idRanges = z
  .strictObject({
    first: z
      .number()
      .int()
      .default(usualIdRanges.first)
      .describe("First uid and gid of the host that jobs may have, a multiple of 65536."),
    ranges: z
      .number()
      .int()
      .min(1)
      .default(usualIdRanges.ranges)
      .describe("Ranges of 65536 ids from there up, one for each job that is there at the same time."),
  })
  .prefault({})
  .superRefine((ids, context) => {
    const problem = idRangesProblem(ids);
    if (problem !== null) context.addIssue({ code: "custom", message: problem });
  })
  .describe("Ids of the host that are for jobs alone: nobody and nothing else may have them (docs/ids.md).");
