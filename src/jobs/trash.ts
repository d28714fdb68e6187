// Removing trees that jobs have made: of any size, and deeper than a path can name. Renamed out of the way at once, then
// removed by rm(1), which walks by descriptors; what is left of it by a crash, the next server removes.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { Data } from "./data.ts";

const underWay = new Set<Promise<unknown>>();

export function discardTree({ trash }: Data, path: string): void {
  const doomed = join(trash, randomUUID());
  renameSync(path, doomed);
  remove(doomed);
}

/** What the last server did not come to. */
export function emptyTrash({ trash }: Data): void {
  for (const name of readdirSync(trash)) remove(join(trash, name));
}

/** Resolves when all that was discarded is gone. */
export async function trashGone(): Promise<void> {
  await Promise.all(underWay);
}

/** In another process: a tree of a million files would hold up every call. */
function remove(path: string): void {
  const child = spawn("rm", ["-rf", "--one-file-system", "--", path], { stdio: "ignore" });
  const gone = once(child, "close").catch(() => {}); // no rm, no process left: it waits for the next server
  underWay.add(gone);
  void gone.then(() => underWay.delete(gone));
}
