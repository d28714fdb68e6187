// What the configuration says of the limit on output (docs/contract.md, "--output-limit").
import { z } from "zod";
import { parseOutputLimit } from "../../sandbox/units.ts";

/** Of each output stream; two of them are the most that a job which asks for nothing leaves on the disk. */
const usualBytes = 2 ** 30;
export const mostOutputBytes = 10 * 2 ** 30;

const bytes = z
  .number()
  .int()
  .nonnegative()
  .transform((value) => ({ bytes: value, kill: false }));

const text = z.string().transform((value, context) => {
  const limit = parseOutputLimit(value);
  if (limit !== null) return limit;
  context.addIssue({ code: "custom", message: "write it like 64M or 64M:kill" });
  return z.NEVER;
});

export const defaultOutput = z
  .union([bytes, text])
  .default({ bytes: usualBytes, kill: false })
  .describe("Bytes of each output stream, or text like 64M or 64M:kill. Default: 1G, or the upper bound below that.");
