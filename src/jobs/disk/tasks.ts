// What the disk thread does: whole pieces of work, each call of the system right after the one before. Through the thread pool
// each such call is a way to another thread and back, which costs more processor time than the call.
import { closeSync, constants, fsyncSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";

export type DiskTask =
  /** Makes job folders with the files that every job has; on failure none of them is left. */
  | { readonly make: readonly string[] }
  /** Brings files and folders onto the disk, in this order. What has been removed meanwhile need not be kept. */
  | { readonly sync: readonly string[] }
  /** Writes a file, for whoever is about to rename it, and brings it onto the disk. */
  | { readonly write: string; readonly text: string };

/** What a folder made ahead holds: name and content. Each is found there by whoever writes it, or made; empty says nothing. */
const files = [
  ["job.json", ""],
  ["network.json", ""],
  ["program.json", ""],
  ["stdout", ""],
  ["stderr", ""],
  ["pid.next", ""],
  ["state", "RUNNING\n"],
  ["exit.json.next", ""],
  ["state.next", ""],
  ["group", ""],
  ["log-index", ""],
] as const;

/** What is made or written does not wait for a disk that is slow to sync, beyond one file. */
export async function perform(task: DiskTask): Promise<void> {
  if ("make" in task) return makeReadyFolders(task.make);
  if ("write" in task) return writeFileSync(task.write, task.text, { mode: 0o600, flush: true });
  for (const path of task.sync) {
    sync(path);
    await setImmediate();
  }
}

function makeReadyFolders(folders: readonly string[]): void {
  try {
    for (const folder of folders) makeReadyFolder(folder);
  } catch (error) {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** @public scripts/bench measures a zygote with such folders. */
export function makeReadyFolder(folder: string): void {
  mkdirSync(folder, { mode: 0o700 });
  for (const [name, text] of files) {
    const file = openSync(join(folder, name), constants.O_WRONLY | constants.O_CREAT, 0o600);
    if (text !== "") writeSync(file, text);
    closeSync(file);
  }
}

function sync(path: string): void {
  try {
    const file = openSync(path, constants.O_RDONLY);
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
