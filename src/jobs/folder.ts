// One job on disk: DATA/jobs/<id>/ (docs/contract.md, "A job on disk"). Beside the files of the contract: `job.json`, what
// was asked for, `network.json`, the network it was given, `program.json` (kept-program.ts), and `exit.json`, how it ended.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExitRecord, Limits, OutputLimit } from "../../sandbox/spec.ts";
import type { JobNetwork } from "./job-networks.ts";
import { fillFile, type ReadyFolders } from "./ready-folders.ts";

/** What is known of a job from the moment it was accepted. */
export interface JobMeta {
  readonly id: number;
  readonly name: string;
  /** Absent in a folder of podium before 0.2. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly user: string;
  readonly createdAtMs: number;
  readonly command: readonly string[];
  readonly limits: Limits;
  /** Absent in folders that older servers made. */
  readonly capabilities?: readonly string[];
  /** Folders of the host that it reads and writes: a later io limit is for the disks behind them. */
  readonly folders?: readonly string[];
  readonly timeoutMs: number;
  readonly output: OutputLimit;
  readonly stdin: boolean;
  /** The host's boot (boot.ts) in which it can have been started, and the id of the DATA (data.ts). */
  readonly boot?: string;
  readonly data?: string;
  /** Who its command is and where it began, as the job sees it; absent in a folder of podium before 0.2. */
  readonly inside?: { readonly uid: number; readonly gid: number; readonly cwd: string };
  /** Where the job sees its work folder (work.ts); absent when it has none. */
  readonly work?: string;
  /** The id that makes its Start repeatable, and the SHA-256 of the request; not there when none was given. */
  readonly requestId?: string;
  readonly requestDigest?: string;
  /** Absent in folders of before there were terminals. */
  readonly terminal?: boolean;
}

/** Of a job that an earlier podium started. */
const notSaid = { output: { bytes: 0, kill: false } };

export const streams = ["stdout", "stderr"] as const;
export type StreamName = (typeof streams)[number];

/**
 * Makes the folder of an accepted job, state RUNNING. `queued` is what it needs to start later, also by another server; null
 * where it starts at once. On failure nothing of it is left. `job.json` comes last: while it is empty or not there the
 * folder is half made, and the next server removes it.
 */
export function createJobFolder(
  folder: string,
  meta: JobMeta,
  queued: object | null = null,
  ready: ReadyFolders | null = null,
): void {
  const furnished = ready?.take(folder) === true;
  if (!furnished) mkdirSync(folder, { mode: 0o700 });
  try {
    // Before job.json, which makes it a job: one that was accepted into the queue is never taken for one that was started.
    if (queued !== null) writeFileSync(queuedFile(folder), `${JSON.stringify(queued)}\n`, { mode: 0o600 });
    if (!furnished) {
      for (const stream of streams) writeFileSync(join(folder, stream), "", { mode: 0o600 });
      writeFileSync(join(folder, "state"), "RUNNING\n", { mode: 0o600 });
    }
    fillFile(join(folder, "job.json"), `${JSON.stringify(meta)}\n`);
  } catch (error) {
    removeJobFolder(folder);
    throw error;
  }
}

/** Writes what was asked for anew; a crash leaves the old or the new. */
export function rewriteMeta(folder: string, meta: JobMeta): void {
  const file = join(folder, "job.json");
  writeFileSync(`${file}.next`, `${JSON.stringify(meta)}\n`, { mode: 0o600, flush: true });
  renameSync(`${file}.next`, file);
}

/** `job.json` goes first: a folder that a crash left in the middle of this is one that is half made. */
export function removeJobFolder(folder: string): void {
  rmSync(join(folder, "job.json"), { force: true });
  rmSync(folder, { recursive: true, force: true });
}

function queuedFile(folder: string): string {
  return join(folder, "queued.json");
}

export function isQueued(folder: string): boolean {
  return existsSync(queuedFile(folder));
}

export function readQueued<T>(folder: string): T | null {
  return readJson<T>(queuedFile(folder));
}

/** The job is about to start, and must not be started a second time by a server that comes after a crash. */
export function leaveQueue(folder: string): void {
  rmSync(queuedFile(folder), { force: true });
}

/** Ids of the job folders in `jobs/`, in order. */
export function listJobIds(jobs: string): number[] {
  return readdirSync(jobs)
    .filter((name) => /^[1-9]\d{0,15}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** A crash left it so, before the job was or when it was being removed: nobody misses it. Else its `job.json` is damaged. */
export function isHalfMade(folder: string): boolean {
  const has = (name: string) => existsSync(join(folder, name));
  return !has("job.json") || !(has("pid") || has("exit.json"));
}

/** null: the folder is half made, or damaged. */
export function readMeta(folder: string): JobMeta | null {
  const meta = readJson<JobMeta>(join(folder, "job.json"));
  return meta && { ...notSaid, ...meta };
}

const networkFile = "network.json";

/** Written before anything of the job runs. */
export function keepNetwork(folder: string, network: JobNetwork): void {
  fillFile(join(folder, networkFile), `${JSON.stringify(network)}\n`);
}

/** null: the job has no network of its own. */
export function readNetwork(folder: string): JobNetwork | null {
  return readJson<JobNetwork>(join(folder, networkFile));
}

/** null: the job has not ended, or nobody could write it down. */
export function readExit(folder: string): ExitRecord | null {
  return readJson<ExitRecord>(join(folder, "exit.json"));
}

export function readState(folder: string): string {
  return readText(join(folder, "state")).trim();
}

/** Host pid of the command and when it was exec'd, which is when its pid was written; zeros when it never was. */
export function readStart(folder: string): { pid: number; startedAtMs: number } {
  const path = join(folder, "pid");
  const pid = Number(readText(path)) || 0;
  return pid === 0 ? { pid, startedAtMs: 0 } : { pid, startedAtMs: Math.round(statSync(path).mtimeMs) };
}

/** Name of the job's control group; null: it is named after the job. */
export function readGroup(folder: string): string | null {
  const [name = ""] = readText(join(folder, "group")).split("\n");
  return name === "" ? null : name;
}

/** "": there is no such file. */
export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

/** null: the file is not there, or says nothing that a crash did not leave half written. */
function readJson<T>(path: string): T | null {
  const text = readText(path);
  if (text === "") return null;
  try {
    return JSON.parse(text) as T;
  } catch {
    return null;
  }
}
