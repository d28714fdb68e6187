import { z } from "zod";
import { parseSize } from "../../sandbox/units.ts";
import type { CopyBounds } from "../jobs/policy.ts";
import { units } from "./config-units.ts";

const usualBytes = 10 * 1024 ** 3;
const usualFiles = 1_000_000;

export const copiesShape = z
  .strictObject({
    size: units(parseSize, "10G").default(usualBytes).describe("Bytes, or text like 10G; 0 = no bound."),
    files: z.number().int().nonnegative().default(usualFiles).describe("Files, folders and links; 0 = no bound."),
  })
  .transform(({ size, files }): CopyBounds => ({ bytes: size, files }));
