// Two ways to run jobs in tests: the real `scripts/podium sandbox …` as a child process (about 0.3 s each), and a zygote of
// the test's own that is driven directly (about 5 ms each), for tests with many jobs or with questions about the host's side.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { disksOf } from "../../sandbox/cgroup/block-device.ts";
import { findPlacement } from "../../sandbox/cgroup/find-placement.ts";
import type { CgroupPlan } from "../../sandbox/cgroup/group.ts";
import { preparePlacement, removePlacement, sweepJobs } from "../../sandbox/cgroup/placement.ts";
import type { IdRanges } from "../../sandbox/id-ranges.ts";
import { ControlClient } from "../../sandbox/init/client.ts";
import { filterNeeds, type JobRequest, specOf } from "../../sandbox/request.ts";
import { type SeccompChoice, seccompFilters, usualFilter } from "../../sandbox/seccomp/programs.ts";
import type { ExitRecord, SandboxSpec } from "../../sandbox/spec.ts";
import { idLocks, ZygoteClient } from "../../sandbox/zygote/client.ts";
import type { StartedMessage } from "../../sandbox/zygote/protocol.ts";
import { root } from "./runner/catalog.ts";
import { until } from "./until.ts";

export const podiumScript = join(root, "scripts/podium");

export interface Ended {
  /** Exit code of podium itself; null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** The same with stdout as text. */
export interface Ran extends Omit<Ended, "stdout"> {
  readonly stdout: string;
}

export interface RunOptions {
  /** What its stdin gives before its end; nothing unless said. */
  readonly input?: string | Buffer;
  /** Environment of podium itself, beside PATH. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A program that runs, with all its output collected. `ended` never rejects. */
export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** Waits until stdout holds `text`; throws with what it does hold when the program ends without. */
  sees(text: string): Promise<void>;
}

/** Starts any program; its stdin stays open unless `input` is given ("" gives end-of-file at once). */
export function startProgram(program: string, args: readonly string[], options: RunOptions = {}): Running {
  const env = { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin", ...options.env };
  const child = spawn(program, args, { env, cwd: options.cwd ?? "/", stdio: "pipe" });
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on("error", () => {}); // a program that reads nothing
  if (options.input !== undefined) child.stdin.end(options.input);
  const ended = once(child, "close").then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
    stdout: Buffer.concat(stdout),
    stderr: Buffer.concat(stderr).toString(),
  }));
  const sees = async (text: string) => {
    let open = true;
    void ended.then(() => {
      open = false;
    });
    while (!Buffer.concat(stdout).includes(text)) {
      if (!open) throw new Error(`${program} ended without ${text}: ${Buffer.concat([...stdout, ...stderr])}`);
      await Promise.race([once(child.stdout, "data"), ended]);
    }
  };
  return { child, pid: child.pid ?? 0, ended, sees };
}

/** `podium sandbox ARGS…`, still running, its stdin open unless `input` is given. No network unless ARGS say otherwise. */
export function startSandbox(args: readonly string[], options: RunOptions = {}): Running {
  return startProgram(podiumScript, ["sandbox", "--net=none", ...args], options);
}

/** `podium sandbox ARGS…` to its end, with text as output. stdin is at its end unless `input` says otherwise. */
export async function runSandbox(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const ended = await startSandbox(args, { input: "", ...options }).ended;
  return { ...ended, stdout: ended.stdout.toString() };
}

/** `podium sandbox OPTIONS… -- sh -c SCRIPT`. */
export function runScript(script: string, options: readonly string[] = []): Promise<Ran> {
  return runSandbox([...options, "--", "sh", "-c", script]);
}

/** What a test asks of a directly driven zygote: a request, and the seccomp profile. */
export interface TestRequest extends Partial<JobRequest> {
  readonly seccomp?: SeccompChoice;
  /** Whether the job ends with this process, so that a test that is killed leaves none: true unless said. */
  readonly bound?: boolean;
  /** What no request can ask for. */
  readonly override?: Partial<SandboxSpec>;
}

export interface FinishedJob {
  readonly record: ExitRecord;
  readonly stdout: string;
  readonly stderr: string;
}

/** A job that has been exec'd. */
export interface StartedJob extends StartedMessage {
  readonly folder: string;
  /** Resolves when init has been reaped. */
  readonly finished: Promise<FinishedJob>;
  control(): Promise<ControlClient>;
  /** Ends it, and resolves when nothing of it is left. */
  kill(): Promise<FinishedJob>;
}

/** A zygote with a DATA and control groups of its own; `await using` removes all of it. */
export class TestZygote implements AsyncDisposable {
  readonly folder: string;
  readonly cgroup: CgroupPlan;
  readonly client: ZygoteClient;
  #lastJob = 0;

  private constructor(folder: string, cgroup: CgroupPlan, client: ZygoteClient) {
    this.folder = folder;
    this.cgroup = cgroup;
    this.client = client;
  }

  /** `readyJobs`: so many at most wait ready-made, and it rehearses, as a server's zygote does. */
  static async open({ ids, readyJobs = 0 }: { ids?: IdRanges; readyJobs?: number } = {}): Promise<TestZygote> {
    const folder = mkdtempSync(join(tmpdir(), "podium-test-"));
    chmodSync(folder, 0o700);
    const stage = join(folder, "stage");
    mkdirSync(stage);
    const cgroup = findPlacement(Buffer.from(folder.slice(-6)).toString("hex"));
    preparePlacement(cgroup);
    const rehearse = readyJobs > 0;
    const most = { rehearse, readyJobs, ...usualFilter() };
    const client = await ZygoteClient.spawn({ cgroup, stage, idLocks, ...most, ...(ids && { ids }) });
    return new TestZygote(folder, cgroup, client);
  }

  /** Starts a job of the defaults of `podium sandbox`. Rejects with StartFailedError, or RequestError before anything is made. */
  async start(request: TestRequest): Promise<StartedJob> {
    const job = String(++this.#lastJob);
    const folder = this.#makeFolder(job);
    const finished = this.#finished(job, folder);
    finished.catch(() => {}); // whoever wants it awaits it
    const spec = specFor(request);
    const started = await this.client.start({
      job,
      folder,
      spec,
      disks: disksOf(spec),
      bound: request.bound ?? true,
    });
    const control = () => ControlClient.connect(folder);
    const kill = async () => {
      const client = await control();
      client.stop({ signal: 9, graceMs: 0, by: "the test" });
      const record = await finished;
      client.close();
      return record;
    };
    return { ...started, folder, finished, control, kill };
  }

  /** A whole job, a failed start included, of which nothing is kept; `script` is given to `sh -c`. */
  async run(script: string | readonly string[], request: TestRequest = {}): Promise<FinishedJob> {
    const argv = typeof script === "string" ? ["sh", "-c", script] : script;
    const job = String(this.#lastJob + 1);
    const folder = join(this.folder, job);
    const gone = this.#gone(job);
    try {
      await this.start({ ...request, argv });
    } catch (error) {
      if ((error as Error).name !== "StartFailedError") throw error;
    }
    await gone;
    const finished = readJob(folder);
    rmSync(folder, { recursive: true });
    return finished;
  }

  /** Path of the job's group for one controller (v1), or of its one group (v2). */
  groupOf(job: string, controller: "cpu" | "memory" | "pids"): string {
    const { cgroup } = this;
    return `${cgroup.version === 2 ? cgroup.root : cgroup.roots[controller]}/jobs/${job}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    sweepJobs(this.cgroup, new Set());
    // Who was killed leaves its groups on the kernel's own time.
    let busy: string[] = [];
    const removed = () => {
      busy = removePlacement(this.cgroup);
      return busy.length === 0;
    };
    await until("control groups are left busy", removed).catch((cause) => {
      throw new Error(`control groups are left busy: ${busy.join(", ")}`, { cause });
    });
    rmSync(this.folder, { recursive: true, force: true });
  }

  #makeFolder(job: string): string {
    const folder = join(this.folder, job);
    mkdirSync(folder, { mode: 0o700 });
    for (const stream of ["stdout", "stderr"]) writeFileSync(join(folder, stream), "", { mode: 0o600 });
    return folder;
  }

  #gone(job: string): Promise<void> {
    return new Promise((resolve) => {
      const done = (name?: string) => {
        if (name !== undefined && name !== job) return;
        this.client.off("gone", done);
        this.client.off("exit", done);
        resolve();
      };
      this.client.on("gone", done);
      this.client.on("exit", done);
    });
  }

  async #finished(job: string, folder: string): Promise<FinishedJob> {
    await this.#gone(job);
    return readJob(folder);
  }
}

function specFor({ seccomp = { kind: "default" }, bound: _, override, ...request }: TestRequest): SandboxSpec {
  const asked = { argv: [], ...request };
  const spec = specOf(asked, {
    defaultHostname: "sandbox",
    network: { kind: "none" },
    ...seccompFilters(seccomp, filterNeeds(asked)),
  });
  return { ...spec, ...override };
}

/** Throws when there is no exit record: init was killed. */
function readJob(folder: string): FinishedJob {
  return {
    record: JSON.parse(readFileSync(join(folder, "exit.json"), "utf8")) as ExitRecord,
    stdout: readFileSync(join(folder, "stdout"), "utf8"),
    stderr: readFileSync(join(folder, "stderr"), "utf8"),
  };
}
