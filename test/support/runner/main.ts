// The runner: `main.js [SUITE...] [--file FILE...] [--cases] [--passed-check NAME...] [--failed-check NAME...] [--counted …]`.
// scripts/test.mjs starts it after the set-up, the build and the static checks, whose results it counts with its own.
import { parseArgs } from "node:util";
import { hostState, settledLeaks } from "../host-state.ts";
import { accountForCases, type NamedTest, readCases } from "./cases.ts";
import { filesAtOnce, labelOf, type SuiteName, suiteNames, type TestFile, testFile, testFiles } from "./catalog.ts";
import { describeFailure } from "./failure.ts";
import { killRunningFiles, runFile } from "./file-run.ts";
import { Tally } from "./tally.ts";
import type { FileResult } from "./verdict.ts";

async function main(tally: Tally): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      file: { type: "string", multiple: true, default: [] },
      cases: { type: "boolean", default: false },
      counted: { type: "string", multiple: true, default: [] },
      "failed-check": { type: "string", multiple: true, default: [] },
      "passed-check": { type: "string", multiple: true, default: [] },
    },
  });
  for (const name of values["passed-check"]) tally.check(name, []);
  for (const name of values["failed-check"]) tally.check(name, ["its output is above"]);
  for (const text of values.counted) addCounted(tally, text);
  if (values.cases) await checkCases(tally);
  const suites = positionals.map(demandSuite);
  for (const suite of suites) await runSuite(suite, testFiles(suite), tally);
  const files = values.file.map(testFile);
  for (const suite of suiteNames) {
    const own = files.filter((file) => file.suite === suite);
    if (own.length > 0) await runSuite(suite, own, tally);
  }
}

/** `LABEL=PASSED,FAILED,SKIPPED`. */
function addCounted(tally: Tally, text: string): void {
  const match = /^(.+)=(\d+),(\d+),(\d+)$/.exec(text);
  if (match === null) throw new Error(`--counted ${text}: not LABEL=PASSED,FAILED,SKIPPED`);
  tally.counted(String(match[1]), Number(match[2]), Number(match[3]), Number(match[4]));
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function demandSuite(name: string): SuiteName {
  const suite = suiteNames.find((known) => known === name);
  if (suite === undefined) throw new Error(`there is no suite "${name}"; known: ${suiteNames.join(", ")}`);
  return suite;
}

async function runSuite(suite: SuiteName, files: readonly TestFile[], tally: Tally): Promise<void> {
  if (files.length === 0) return;
  print(`\n${suite}`);
  const before = hostState();
  await inParallel(files, filesAtOnce[suite], async (file) => tally.file(await runFile(file.compiled, labelOf(file))));
  tally.check(`host is as before after suite ${suite}`, await settledLeaks(before));
}

async function checkCases(tally: Tally): Promise<void> {
  const tests: NamedTest[] = [];
  const broken: string[] = [];
  const all = suiteNames.flatMap(testFiles);
  await inParallel(all, 2, async (file) => {
    const listed = await runFile(file.compiled, labelOf(file), { listOnly: true });
    tests.push(...listed.registered.map((name) => ({ suite: file.suite, name })));
    broken.push(...listingProblems(listed));
  });
  const account = accountForCases(readCases(), tests);
  print(account.summary);
  tally.check("cases and tests agree", [...broken, ...account.problems]);
}

function listingProblems({ label, failed, output }: FileResult): string[] {
  return failed.map(({ failure }) => `${label} cannot be listed: ${failure.message}\n${output}`);
}

async function inParallel<T>(items: readonly T[], workers: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: workers }, worker));
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    killRunningFiles();
    process.kill(process.pid, signal);
  });
}

const tally = new Tally(print);
try {
  await main(tally);
} catch (error) {
  tally.check("the runner itself", [describeFailure(error).message]);
}
process.exitCode = tally.finish();
