// The folder of one server: DATA. Its id is in the name of every host object that podium makes.
import { randomBytes } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { bootId } from "./boot.ts";
import { DataError } from "./errors.ts";
import { lockData, lockDataId } from "./executor-locks.ts";
import { isQueued, listJobIds, readExit, readMeta } from "./folder.ts";

export interface Data {
  readonly path: string;
  /** Hexadecimal, made once for this DATA. */
  readonly id: string;
  readonly jobs: string;
  readonly stage: string;
  /** Folders for jobs to come (ready-folders.ts). */
  readonly readyFolders: string;
  /** Uploads that wait for their Start, and what is being removed. */
  readonly uploads: string;
  readonly trash: string;
  /** A folder of each user's own. */
  readonly homes: string;
  readonly zygotePid: string;
  readonly cgroupPlan: string;
}

/** Opens or makes DATA and takes it for this process. Throws DataError. */
export function openData(folder: string): Data {
  const path = resolve(folder);
  prepare(path);
  if (!lockData(join(path, "lock"))) {
    throw new DataError(
      `${path}: another podium server uses it`,
      "stop that server, or give this one a --data of its own",
    );
  }
  const file = (name: string) => join(path, name);
  const data = {
    path,
    jobs: file("jobs"),
    stage: file("stage"),
    readyFolders: file("ready"),
    uploads: file("uploads"),
    trash: file("trash"),
    homes: file("home"),
    zygotePid: file("zygote.pid"),
    cgroupPlan: file("cgroup.json"),
  };
  for (const inner of [data.jobs, data.stage, data.uploads, data.trash, data.homes]) {
    mkdirSync(inner, { recursive: true, mode: 0o700 });
    checkDataFolder(inner);
  }
  const id = idOf(data);
  if (lockDataId(id)) {
    keepPlace(path, id);
    clearFolder(data.stage); // what killed supervisors left, which had no job yet
    return { ...data, id };
  }
  throw new DataError(
    `${path}: another podium server uses the DATA that this is a copy of`,
    `rm ${file("id")} ${data.cgroupPlan} makes it one of its own`,
  );
}

function clearFolder(path: string): void {
  for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true, force: true });
}

function prepare(path: string): void {
  try {
    makeFolder(path);
  } catch (error) {
    throw unusable(path, error);
  }
  checkDataFolder(path);
}

/** Throws DataError when a server would not take this folder, which exists, for its DATA. */
export function checkDataFolder(path: string): void {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw unusable(path, error);
  }
  if ((statSync(path).mode & 0o022) !== 0) {
    throw new DataError(`${path}: others can write in it`, `chmod go-w ${path}`);
  }
}

function unusable(path: string, error: unknown): DataError {
  const code = (error as NodeJS.ErrnoException).code;
  return new DataError(`${path}: cannot be used as DATA (${code})`, "name a folder that root can write with --data");
}

/** With its parents. `mkdir` with `recursive` never comes back from a place like /proc that has no room for folders. */
function makeFolder(path: string): void {
  if (existsSync(path) && statSync(path).isDirectory()) return;
  if (!existsSync(dirname(path))) makeFolder(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

const idBytes = 4;

/**
 * Made once, whole or not at all: an empty one would be shared with other DATAs. A copy gets another: what the first one's
 * jobs have on the host is not the copy's to sweep.
 */
function idOf(data: Pick<Data, "path" | "jobs" | "cgroupPlan">): string {
  const [file, place] = [join(data.path, "id"), join(data.path, "place")];
  const copied = isCopy(data.path, place);
  if (copied) for (const name of [data.cgroupPlan, file]) rmSync(name, { force: true });
  if (!existsSync(file))
    replace(file, (copied ? null : removedId(data, place)) ?? randomBytes(idBytes).toString("hex"));
  const id = readFileSync(file, "utf8").trim();
  if (isId(id)) return id;
  throw new DataError(`${file}: is not the id of a DATA`, "remove it when no job of this DATA runs any more");
}

function isId(text: string): boolean {
  return /^[0-9a-f]{8}$/.test(text);
}

/**
 * The id that somebody has removed: `place` has it too. With another one the server would not see what runs, and leave it on
 * the host. null: there was none. Throws DataError when jobs may run under one that nothing proves to be this folder's.
 */
function removedId({ path, jobs }: Pick<Data, "path" | "jobs">, place: string): string | null {
  const kept = existsSync(place) ? (readFileSync(place, "utf8").trim().split(" ")[3] ?? "") : "";
  if (isId(kept)) return kept;
  const folder = listJobIds(jobs)
    .map((id) => join(jobs, String(id)))
    .find(mayRun);
  const id = folder === undefined ? "" : (readMeta(folder)?.data ?? "");
  if (!isId(id) || !lockDataId(id)) return null; // or its server runs, so this is a copy
  const file = join(path, "id");
  throw new DataError(
    `${file}: is missing, and ${folder}, which was started under the id ${id}, has not ended`,
    `echo ${id} > ${file} where it was started; in a copy of that DATA, rm -r ${folder}`,
  );
}

function mayRun(folder: string): boolean {
  const meta = readMeta(folder);
  return meta?.boot === bootId && meta.data !== undefined && !isQueued(folder) && readExit(folder) === null;
}

/** On a disk that takes no more files, an older one does: the folder's number in it is the same. */
function keepPlace(path: string, id: string): void {
  const [place, now] = [join(path, "place"), [...placeOf(path), id].join(" ")];
  try {
    if (!existsSync(place) || readFileSync(place, "utf8").trim() !== now) replace(place, now);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

function replace(file: string, text: string): void {
  writeFileSync(`${file}.next`, `${text}\n`, { mode: 0o600, flush: true });
  renameSync(`${file}.next`, file);
}

/** Beside the id. The number of a folder stays with it when it is renamed or its disk is mounted elsewhere; a disk's may change at a boot. */
function placeOf(path: string): [inode: string, device: string, boot: string] {
  const { ino, dev } = statSync(path, { bigint: true });
  return [String(ino), String(dev), bootId];
}

function isCopy(path: string, place: string): boolean {
  if (!existsSync(place)) return false; // new, or of a podium before 0.2
  const [inode, device, boot] = readFileSync(place, "utf8").trim().split(" ");
  const now = placeOf(path);
  return inode !== now[0] || (boot === bootId && device !== now[1]);
}
