// `network` of the configuration file; docs/network.md says what it means.
import { z } from "zod";

export const networkShape = z.strictObject({
  default: z.enum(["bridge", "none"]).default("bridge").describe("Network of a job that asks for none in particular."),
  bridge: z
    .string()
    .regex(/^[a-z][a-z0-9]{0,2}$/, "use one to three lower case letters and digits")
    .default("pod")
    .describe("How the bridges' names begin, at most three characters; a hyphen and the id of DATA follow."),
  subnet: z.string().nullable().default(null).describe("IPv4 block of the jobs; null: a free one is chosen."),
  prefix6: z
    .string()
    .nullable()
    .default(null)
    .describe('Unique local IPv6 block of the jobs; null: made from the id of DATA; "none": no IPv6.'),
  most: z.number().int().nonnegative().default(0).describe("Job networks at once; 0: as many as the subnet holds."),
  ready: z.number().int().min(0).max(200).default(16).describe("Networks that are kept ready for the next jobs."),
  deny: z
    .array(z.string())
    .default([])
    .describe('Refused to every job: CIDR, or "private" for RFC 1918, RFC 6598 and fc00::/7.'),
  permit: z
    .array(z.string())
    .default([])
    .describe("Opened although it would be refused, services of the host too: CIDR or CIDR:PORT."),
  ignoreForeignFirewall: z
    .boolean()
    .default(false)
    .describe("Start jobs although another firewall of the host seems to drop what they forward."),
});
