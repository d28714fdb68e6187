// Runs one test file in a process (and process group) of its own and says what became of it.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { stretched } from "../slowness.ts";
import { groupMembers, killGroup } from "./process-group.ts";
import { parseRecords, recordDescriptor, type TestRecord } from "./records.ts";
import { type FileResult, judge } from "./verdict.ts";

const childScript = fileURLToPath(new URL("./child.js", import.meta.url));

/** Seconds until a file that has not even registered its tests is killed. */
const loadSeconds = stretched(60);
/** Seconds that a file has to end by itself once its last test is done. */
const endSeconds = stretched(20);
/** Milliseconds that processes of a finished file have to go: helpers end by themselves within 5 s, where they get to run. */
const leftoverMs = stretched(20_000);

export interface FileRunOptions {
  /** Overrides the deadline that the file itself asks for, in seconds. */
  readonly timeoutSeconds?: number;
  /** Override what a file and its processes have to end by themselves: for files that are known not to. */
  readonly endSeconds?: number;
  readonly leftoverMs?: number;
  readonly listOnly?: boolean;
}

/** `file` is a compiled test file; `label` is what the report calls it. */
export async function runFile(file: string, label: string, options: FileRunOptions = {}): Promise<FileResult> {
  const folder = mkdtempSync(join(tmpdir(), "test-run-"));
  const outputPath = join(folder, "output");
  try {
    const start = performance.now();
    const child = startChild(file, outputPath, options.listOnly === true);
    const watch = watchRecords(child);
    const end = await waitWithDeadline(child, watch, options);
    const leftovers = await waitForGroup(child.pid ?? 0, options.leftoverMs ?? leftoverMs);
    return judge({
      label,
      records: watch.records,
      ...end,
      leftovers,
      output: readFileSync(outputPath, "utf8"),
      milliseconds: performance.now() - start,
      listOnly: options.listOnly === true,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const running = new Set<number>();

/** Ends every file that still runs: for the runner's own end by a signal. */
export function killRunningFiles(): void {
  for (const pid of running) killGroup(pid);
}

function startChild(file: string, outputPath: string, listOnly: boolean): ChildProcess {
  const output = openSync(outputPath, "a");
  const args = ["--enable-source-maps", "--disable-warning=ExperimentalWarning", childScript, file];
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(PODIUM_|npm_|FORCE_COLOR$)/.test(name)),
  );
  const child = spawn(process.execPath, listOnly ? [...args, "--list"] : args, {
    detached: true,
    stdio: ["ignore", output, output, "pipe"],
    env,
  });
  closeSync(output);
  if (child.pid !== undefined) running.add(child.pid);
  return child;
}

interface RecordWatch {
  readonly records: TestRecord[];
  onRecord: (record: TestRecord) => void;
}

function watchRecords(child: ChildProcess): RecordWatch {
  const watch: RecordWatch = { records: [], onRecord: () => {} };
  const pipe = child.stdio[recordDescriptor];
  let rest = "";
  pipe?.on("data", (chunk: Buffer) => {
    rest += chunk.toString("latin1");
    const end = rest.lastIndexOf("\n") + 1;
    const text = Buffer.from(rest.slice(0, end), "latin1").toString("utf8");
    rest = rest.slice(end);
    for (const record of parseRecords(text)) {
      watch.records.push(record);
      watch.onRecord(record);
    }
  });
  return watch;
}

interface ProcessEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The deadline that made the runner kill the file, "" when it ended by itself. */
  readonly killedFor: string;
}

async function waitWithDeadline(child: ChildProcess, watch: RecordWatch, options: FileRunOptions): Promise<ProcessEnd> {
  let killedFor = "";
  let timer: NodeJS.Timeout | undefined;
  const arm = (seconds: number, what: string) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      killedFor = `${what} (${seconds} s)`;
      killGroup(child.pid ?? 0);
    }, seconds * 1000);
  };
  arm(options.timeoutSeconds ?? loadSeconds, "it did not finish loading in time");
  watch.onRecord = (record) => {
    if (record.kind === "registered") arm(options.timeoutSeconds ?? record.timeoutSeconds, "it hung past its deadline");
    if (record.kind === "closed") {
      arm(options.endSeconds ?? endSeconds, "its tests were done, but the process did not end by itself");
    }
  };
  const end = await new Promise<Omit<ProcessEnd, "killedFor">>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (exitCode, signal) => resolve({ exitCode, signal }));
  });
  clearTimeout(timer);
  await drained(child);
  return { ...end, killedFor };
}

/** Waits for the rest of the records; not for ever, because a leaked process may hold the other end. */
async function drained(child: ChildProcess): Promise<void> {
  const pipe = child.stdio[recordDescriptor];
  if (pipe === null || pipe === undefined || pipe.destroyed) return;
  const ended = new Promise<void>((resolve) => pipe.once("close", () => resolve()));
  await Promise.race([ended, sleep(5000, undefined, { ref: false })]);
  pipe.destroy();
}

async function waitForGroup(pid: number, patienceMs: number): Promise<string[]> {
  const deadline = performance.now() + patienceMs;
  let members = groupMembers(pid);
  while (members.length > 0 && performance.now() < deadline) {
    await sleep(100);
    members = groupMembers(pid);
  }
  if (members.length > 0) killGroup(pid);
  running.delete(pid);
  return members;
}
