// Runs one test file: `node child.js FILE [--list]`. With --list it only says which tests the file registers.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { sendRecord } from "./records.ts";
import { openRegistry, sealRegistry } from "./registry.ts";

declare global {
  // uvu's own switches (uvu/run): collect suites in the queue, do not start them on a timer.
  var UVU_DEFER: number | undefined;
  var UVU_QUEUE: unknown[][];
}

/** Milliseconds that a finished file has to end by itself before it says what holds it. */
const lingeringMs = 3000;

async function main(file: string, listOnly: boolean): Promise<void> {
  globalThis.UVU_DEFER = 1;
  process.umask(0o022); // modes of what tests make for jobs are not the caller's affair
  const uvu = await import("uvu");
  openRegistry();
  await import(pathToFileURL(resolve(file)).href);
  await fixInputs(file);
  const { suites, tests } = sealRegistry();
  const timeoutSeconds = Math.max(0, ...suites.map((suite) => suite.timeoutSeconds));
  sendRecord({ kind: "registered", tests, timeoutSeconds });
  if (listOnly) process.exit(0);

  globalThis.UVU_QUEUE.push([file]);
  for (const suite of suites) suite.queue();
  await uvu.exec();
  sendRecord({ kind: "closed" });
  setTimeout(() => sendRecord({ kind: "lingering", resources: process.getActiveResourcesInfo() }), lingeringMs).unref();
}

/**
 * Properties take the same inputs on every run, so that a run fails for what has changed and for nothing else.
 * PROPERTY_SEED=N takes others, PROPERTY_SEED=random others each time; a failure names its seed.
 */
async function fixInputs(file: string): Promise<void> {
  if (!/["']fast-check["']/.test(readFileSync(file, "utf8"))) return;
  const { PROPERTY_SEED: wanted = "1" } = process.env;
  const { configureGlobal } = await import("fast-check");
  configureGlobal({ seed: wanted === "random" ? Date.now() % 2 ** 31 : Number(wanted) });
}

const [file, mode] = process.argv.slice(2);
if (file === undefined) throw new Error("child: which test file?");
await main(file, mode === "--list");
