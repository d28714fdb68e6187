// What a server of these settings would find on disk: DATA with room in it, and certificates that it takes.
import { existsSync, statfsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type Check, lacking, met, wanting } from "../../sandbox/requirements/check.ts";
import { formatSize } from "../../sandbox/units.ts";
import { checkDataFolder } from "../jobs/data.ts";
import { DataError } from "../jobs/errors.ts";
import { MutualTls } from "../server/credentials.ts";
import type { ServerFiles } from "../server/tls-files.ts";

export function dataChecks(folder: string): Check[] {
  const path = resolve(folder);
  return [folderCheck(path), roomCheck("disk", existing(path)), roomCheck("disk /run", existing("/run/podium"))];
}

/** The path, or the nearest folder above it that is there: what is missing will be made in it. */
function existing(path: string): string {
  return existsSync(path) ? path : existing(dirname(path));
}

function folderCheck(path: string): Check {
  const there = existing(path);
  try {
    checkDataFolder(there);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    // A folder above that others can write in is no DATA yet: serve makes its own with mode 0700.
    if (there === path || !error.message.endsWith("others can write in it"))
      return lacking("data", error.message, error.mend);
  }
  if (there !== path) return met("data", `${path} is not there yet: serve makes it`);
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) === 0) return met("data", path);
  return wanting("data", `${path}: other users can see what jobs there are`, `chmod 700 ${path}`);
}

/** Less than this is not enough for one more job. */
const leastBytes = 1 << 20;
const leastFiles = 100;
const fewBytes = 1 << 30;
const fewFiles = 10_000;

function roomCheck(name: string, path: string): Check {
  const { bavail, bsize, files, ffree } = statfsSync(path);
  const bytes = bavail * bsize;
  const detail = `${path} has ${formatSize(bytes)} free${files > 0 ? ` and room for ${ffree} files` : ""}`;
  const lacksFiles = (least: number) => files > 0 && ffree < least;
  if (bytes < leastBytes || lacksFiles(leastFiles))
    return lacking(name, `${detail}: too little for a job`, `free some: podium rm finished jobs, or a larger disk`);
  const few = name === "disk" ? fewBytes : leastBytes * 10;
  if (bytes < few || lacksFiles(fewFiles))
    return wanting(name, `${detail}: little, for logs are kept there`, "free some: podium rm finished jobs");
  return met(name, detail);
}

const soonDays = 14;

/** `given`: somebody named them; else it is no fault that none have been made yet. */
export function certificateChecks(files: ServerFiles, given: boolean): Check[] {
  if (!given && ![files.ca, files.cert, files.key].some((file) => existsSync(file))) {
    const mend = "podium certs init";
    return [wanting("certificates", `${files.cert}: there is none yet: podium serve needs one`, mend)];
  }
  return [serverCertificate(files), ...authorityKey(join(dirname(files.ca), "ca.key"))];
}

function serverCertificate(files: ServerFiles): Check {
  try {
    const warnings = MutualTls.load(files).warnings(new Date(), soonDays);
    if (warnings.length === 0) return met("certificates", `${files.cert}, ${files.key}, ${files.ca}`);
    return wanting(
      "certificates",
      warnings.join("; "),
      "make new ones: podium certs init --force, or your authority's way",
    );
  } catch (error) {
    const mend = (error as { mend?: string }).mend ?? "";
    return lacking("certificates", (error as Error).message, mend === "" ? "podium certs init" : mend);
  }
}

function authorityKey(path: string): Check[] {
  if (!existsSync(path)) return [];
  if ((statSync(path).mode & 0o077) === 0) return [met("authority key", path)];
  return [wanting("authority key", `${path}: others than root can read it and make certificates`, `chmod 600 ${path}`)];
}
