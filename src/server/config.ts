// The configuration file of `podium serve`: JSON, every key optional, unknown keys refused. docs/config.schema.json is made
// from this.
import { readFileSync, realpathSync } from "node:fs";
import { resolve } from "node:path";
import { z } from "zod";
import { parseDuration, parseSize } from "../../sandbox/units.ts";
import type { LimitSettings, Policy } from "../jobs/policy.ts";
import { capabilityRules } from "./config-capabilities.ts";
import { governanceShapes } from "./config-governance.ts";
import { idRanges } from "./config-ids.ts";
import { cgroupFiles, furtherMaximum } from "./config-limits.ts";
import { defaultOutput, mostOutputBytes } from "./config-output.ts";
import { units } from "./config-units.ts";
import { copiesShape } from "./copies-config.ts";
import { networkShape } from "./network-config.ts";

const limitsShape = z.strictObject({
  cpus: z.number().nonnegative().default(0).describe("Cores."),
  memory: units(parseSize, "64M").default(0).describe("Bytes, or text like 64M."),
  io: units(parseSize, "10M").default(0).describe("Bytes per second, or text like 10M."),
  pids: z.number().int().nonnegative().default(0).describe("Processes and threads at once."),
  timeout: units(parseDuration, "10m").default(0).describe("Milliseconds, or text like 10m."),
});

const maximumOutput = units(parseSize, "64M")
  .default(mostOutputBytes)
  .describe("Bytes of each output stream, or text like 64M. Default: 10G.");

const defaultsShape = limitsShape.extend({ output: defaultOutput }).transform(settingsOf);
const maximumShape = limitsShape
  .extend({ output: maximumOutput, ...furtherMaximum })
  .transform(({ output, cpuWeight, ioOperations, ...limits }) => ({
    ...settingsOf({ ...limits, output: { bytes: output, kill: false } }),
    cpuWeight,
    ioOperationsPerSecond: ioOperations,
  }));

function settingsOf(limits: z.infer<typeof limitsShape> & { output: { bytes: number; kill: boolean } }): LimitSettings {
  const { cpus, memory, io, pids, timeout, output } = limits;
  return {
    cpus,
    memoryBytes: memory,
    ioBytesPerSecond: io,
    pids,
    timeoutMs: timeout,
    outputBytes: output.bytes,
    outputKill: output.kill,
  };
}

const absolutePath = z.string().regex(/^\//, "begin it with /");

const folderShape = z.strictObject({
  path: absolutePath.describe("Folder of the host; it and all below it may be named by --dir and --rootfs."),
  users: z.array(z.string().min(1)).min(1).describe('Users that may; "*" is everybody.'),
  write: z.boolean().default(false).describe("Whether it may be written."),
});

const configShape = z
  .strictObject({
    listen: z.string().optional().describe("HOST:PORT; port 0 picks a free one."),
    data: absolutePath.optional().describe("Folder of jobs and state."),
    ca: z.string().optional(),
    cert: z.string().optional(),
    key: z.string().optional(),
    crl: z.string().optional(),
    logLevel: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
    copies: copiesShape.prefault({}).describe("Upper bounds of one upload, one download or one podium cp."),
    defaults: defaultsShape.prefault({}).describe("Limits of a job that asks for none; 0 = none."),
    maximum: maximumShape.prefault({}).describe("Upper bounds of what a job may ask for; 0 = none."),
    capabilities: capabilityRules,
    ...governanceShapes,
    ids: idRanges,
    cgroupFiles,
    folders: z.array(folderShape).default([]).describe("Host folders that users may name. Default: none."),
    network: networkShape.prefault({}).describe("Networks of jobs (docs/network.md)."),
  })
  .describe("Configuration of podium serve");

export type Config = z.infer<typeof configShape>;

/** The published schema (JSON Schema 2020-12) of what a file may say. */
export function configSchemaText(): string {
  return `${JSON.stringify(z.toJSONSchema(configShape, { io: "input" }), null, 2)}\n`;
}

class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly mend: string;

  constructor(message: string, mend: string) {
    super(message);
    this.mend = mend;
  }
}

/** Reads and checks the file; without one, the defaults. Throws ConfigError naming the key and the mend. */
export function readConfig(file: string | undefined): Config {
  const result = configShape.safeParse(file === undefined ? {} : readJson(file));
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const key = issue?.path.join(".") ?? "";
  throw new ConfigError(`${file}: ${key === "" ? "" : `${key}: `}${issue?.message}`, "see docs/config.schema.json");
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new ConfigError(
      `${file}: cannot be read as JSON: ${(error as Error).message}`,
      "mend the file, or leave out --config",
    );
  }
}

/** Folders are looked up once: a link that somebody puts in place of one later leads nowhere. `own`: DATA and keys. */
export function policyOf({ folders, ...config }: Config, own: readonly string[]): Policy {
  const { defaults, maximum, capabilities, ids, cgroupFiles: files, copies, network } = config;
  const rules = folders.map((rule) => ({ ...rule, path: resolved(rule.path) }));
  const rest = { defaults, maximum, capabilities, ids, cgroupFiles: files, copies, network };
  return { ...rest, folders: rules, own: own.map(resolved) };
}

function resolved(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path); // not there yet
  }
}
