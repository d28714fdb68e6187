// The part of the configuration that says who may ask for which capabilities.
import { z } from "zod";
import { workingCapabilities } from "../../sandbox/capabilities.ts";

const rule = z.strictObject({
  users: z.array(z.string().min(1)).min(1).describe('Users that may; "*" is everybody.'),
  names: z.array(z.enum(workingCapabilities)).describe("Capabilities that they may ask for, without CAP_."),
});

export const capabilityRules = z
  .array(rule)
  .default([{ users: ["*"], names: workingCapabilities }])
  .describe("Who may ask for which capabilities with --cap-add. Default: everybody for all that work in a job.");
