// The part of the configuration that governs: quotas, queue, retention and the audit log.
import { z } from "zod";
import { parseDuration, parseSize } from "../../sandbox/units.ts";
import type { Governance } from "../jobs/admission.ts";
import { noQuota, type Quota } from "../jobs/quotas.ts";
import { noBounds, type RetentionBounds } from "../jobs/retention.ts";
import { units } from "./config-units.ts";

const auditShape = z.strictObject({
  fileBytes: units(parseSize, "64M", 64 * 1024)
    .default(64 * 2 ** 20)
    .describe("Bytes of one file, or text like 64M."),
  files: z.number().int().min(2).default(16).describe("Files that are kept; the oldest go."),
});

/** Without defaults: what is not said for a user is as for all. */
const quotaShape = z.strictObject({
  jobs: z.number().int().nonnegative().optional().describe("Jobs that run at once; 0 = no quota, as below."),
  startsPerMinute: z.number().int().nonnegative().optional(),
  cpus: z.number().nonnegative().optional().describe("Sum of the cores that running jobs asked for."),
  memory: units(parseSize, "4G")
    .optional()
    .describe("Sum of the memory that running jobs asked for, bytes or text like 4G."),
  disk: units(parseSize, "10G").optional().describe("Bytes of job folders, finished jobs too, or text like 10G."),
});

const quotasShape = z.strictObject({
  perUser: quotaShape.prefault({}).describe("What each user may have."),
  users: z.record(z.string(), quotaShape).default({}).describe("What is otherwise for these users."),
  total: quotaShape.prefault({}).describe("What all users together may have."),
});

const queueShape = z.strictObject({
  size: z
    .number()
    .int()
    .nonnegative()
    .default(0)
    .describe("Jobs that may wait until there is room; 0 = none: refused."),
  perUser: z.number().int().nonnegative().default(0).describe("Of those, jobs of one user; 0 = no bound of its own."),
});

const boundsShape = z.strictObject({
  age: units(parseDuration, "7d")
    .optional()
    .describe("Since the job ended: milliseconds or text like 7d; 0 = no bound."),
  count: z.number().int().nonnegative().optional().describe("Finished jobs."),
  bytes: units(parseSize, "10G").optional().describe("Of their folders, or text like 10G."),
});

const retentionShape = z.strictObject({
  perUser: boundsShape.prefault({}).describe("Finished jobs of each user that are kept; the oldest go."),
  users: z.record(z.string(), boundsShape).default({}).describe("What is otherwise for these users."),
  total: boundsShape.prefault({}).describe("Finished jobs of all users together that are kept."),
  atLeast: units(parseDuration, "1m").default(60_000).describe("A finished job stays so long whatever the bounds say."),
});

export const governanceShapes = {
  quotas: quotasShape.prefault({}).describe("How much a user, and all together, may have. Default: no quotas."),
  queue: queueShape.prefault({}).describe("What happens to a job when a quota is used up. Default: it is refused."),
  retention: retentionShape.prefault({}).describe("Which finished jobs go by themselves. Default: none."),
  audit: auditShape.prefault({}).describe("The audit log, DATA/audit."),
};

interface GovernanceConfig {
  readonly quotas: z.infer<typeof quotasShape>;
  readonly queue: z.infer<typeof queueShape>;
  readonly retention: z.infer<typeof retentionShape>;
}

export function governanceOf({ quotas, queue, retention }: GovernanceConfig): Governance {
  const { perUser, users, total } = quotas;
  return {
    quotas: {
      perUser: { ...noQuota, ...quotaOf(perUser) },
      users: mapped(users, quotaOf),
      total: { ...noQuota, ...quotaOf(total) },
    },
    queue,
    retention: {
      perUser: { ...noBounds, ...boundsOf(retention.perUser) },
      users: mapped(retention.users, boundsOf),
      total: { ...noBounds, ...boundsOf(retention.total) },
      atLeastMs: retention.atLeast,
    },
  };
}

function mapped<A, B>(each: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(each).map(([name, value]) => [name, change(value)]));
}

/** Only what was said: the rest is as for everybody. */
function quotaOf({ memory, disk, ...same }: z.infer<typeof quotaShape>): Partial<Quota> {
  return said({ ...same, memoryBytes: memory, diskBytes: disk });
}

function boundsOf({ age, ...same }: z.infer<typeof boundsShape>): Partial<RetentionBounds> {
  return said({ ...same, ageMs: age });
}

function said<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
