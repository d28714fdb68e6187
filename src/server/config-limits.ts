// The keys of the configuration for limits that are seldom asked for.
import { z } from "zod";

const usualWeight = 100;
const heaviest = 10_000;

/** Among the upper bounds. */
export const furtherMaximum = {
  cpuWeight: z
    .number()
    .int()
    .min(1)
    .max(heaviest)
    .default(usualWeight)
    .describe("Share of busy processors, 1 to 10000; 100 is that of everybody who asks for none."),
  ioOperations: z.number().int().nonnegative().default(0).describe("Requests per second to and from each disk."),
};

export const cgroupFiles = z
  .array(z.string().regex(/^[a-z][a-z0-9_]*(\.[A-Za-z0-9_]+)+$/, "write it like cpu.max.burst"))
  .default([])
  .describe(
    "Files of control groups that a request may set with --cgroup; the upper bounds hold for them too. Default: none.",
  );
