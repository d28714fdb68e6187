// The part of the seam (executor.ts) that reads and writes files of running jobs, with each job's own rights.
import type { CgroupPlan } from "../../sandbox/cgroup/group.ts";
import { CopyError, type CopyEvent, copy } from "../../sandbox/copy/client.ts";
import type { CopyRequest } from "../../sandbox/copy/protocol.ts";
import { seccompPrograms } from "../../sandbox/seccomp/programs.ts";
import { Exhausted, InvalidRequest, NoSuchFile, NotPossible, NotRunning } from "./errors.ts";
import { readGroup } from "./folder.ts";
import type { Job } from "./job.ts";
import { readProcesses } from "./processes.ts";

/** What is known of a job that files go into or come out of. */
export interface CopyPlace {
  readonly cgroup: CgroupPlan;
  readonly job: Job;
  /** In the job, as it was typed. */
  readonly path: string;
}

/** The default filter, whatever the job's own is: the process that copies is podium's and runs nothing of the job's. */
const filters = () => seccompPrograms({ kind: "default" }, { capabilities: [], writableGrants: true });

function requestOf({ cgroup, job, path }: CopyPlace, action: CopyRequest["action"]): CopyRequest {
  const { inside } = job.meta;
  if (path === "" || path.includes("\0")) throw new InvalidRequest("path", "is no path");
  if (inside === undefined)
    throw new NotPossible(`job ${job.id} was started by an older podium, which kept too little`);
  const { uid, gid, cwd } = inside;
  const startTicks = readProcesses(job.folder).command?.startTicks ?? null;
  const place = { pid: job.pid, startTicks, cgroup, group: groupOf(job) };
  return { ...place, user: { uid, gid }, cwd, seccomp: filters(), action };
}

/** Named after the job, unless its folder says otherwise. */
function groupOf({ folder, id }: Job): string {
  return readGroup(folder) ?? String(id);
}

/** Throws NotRunning, NoSuchFile, NotPossible, InvalidRequest. */
export async function* readRunning(place: CopyPlace, signal: AbortSignal): AsyncGenerator<CopyEvent> {
  yield* explained(place, copy(requestOf(place, { kind: "read", path: place.path }), null, signal));
}

export interface Landing {
  /** What it is called where `path` is a folder; "": only what is in the top of the stream is meant. */
  readonly name: string;
  readonly maxBytes: number;
  readonly maxEntries: number;
}

/** As `readRunning`; throws Exhausted too. */
export async function* writeRunning(
  place: CopyPlace,
  { name, ...bounds }: Landing,
  pieces: AsyncIterable<Buffer>,
  signal: AbortSignal,
): AsyncGenerator<CopyEvent> {
  const top = Buffer.from(name).toString("latin1");
  const action = { kind: "write", path: place.path, name: top, onlyContents: name === "", ...bounds } as const;
  yield* explained(place, copy(requestOf(place, action), pieces, signal));
}

async function* explained({ job, path }: CopyPlace, events: AsyncIterable<CopyEvent>): AsyncGenerator<CopyEvent> {
  try {
    yield* events;
  } catch (error) {
    throw error instanceof CopyError ? refusal(job, path, error) : error;
  }
}

const fileProblems: Readonly<Record<string, string>> = {
  ENOTDIR: "passes what is no folder",
  EACCES: "the job's user may not",
  EROFS: "is read-only in the job",
  ENOSPC: "there is no room left",
};

function refusal(job: Job, path: string, { failure }: CopyError): Error {
  const { kind, code, message } = failure;
  if (kind === "too-much") return new Exhausted(`tar: ${message}, this server's bound`);
  if (kind === "stream") return new InvalidRequest("tar", message);
  if (kind === "step") return code === "ENOENT" ? new NotRunning(job.id) : new NotPossible(`job ${job.id}: ${message}`);
  if (code === "ENOENT") return new NoSuchFile(`${path}: there is no such file or folder in the job`);
  return new NotPossible(`${path}: ${fileProblems[code] ?? message}`);
}
