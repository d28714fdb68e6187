// Rounds of random jobs that print a known sequence, while server, zygote and inits are killed at random moments and clients are
// cut. `chaos.test.ts` runs a few rounds, `npm run chaos` many. The same seed gives the same jobs and the same plan of kills;
// when they strike is the machine's.
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { identityIn } from "../../sandbox/sys/process-identity.ts";
import { CallFailure, isInterruption, JobFailure } from "../../src/client/call-failure.ts";
import { jobStatus, listJobs, removeJob, waitForJob } from "../../src/client/jobs.ts";
import { followLogs, logsOf, type StreamName } from "../../src/client/logs.ts";
import { startJob } from "../../src/client/start.ts";
import { type JobInfo, StartRequest } from "../../src/gen/podium.ts";
import { readProcesses } from "../../src/jobs/processes.ts";
import { groupsOf } from "../integration/job-traces.ts";
import { living } from "../support/processes.ts";
import { TestServer } from "../support/server.ts";
import { Dice } from "./dice.ts";

export interface Counts {
  rounds: number;
  jobs: number;
  serverKills: number;
  zygoteKills: number;
  /** Supervisors of jobs: each job of one is lost, and told so, unless it had just ended. */
  initKills: number;
  clientCuts: number;
  /** Jobs whose server or zygote died before there was a supervisor: told as START_FAILED or LOST, and never run. */
  failedStarts: number;
  bytes: number;
}

export interface ChaosOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly tell: (line: string) => void;
}

/** A job of which everything is known before it runs. */
interface Plan {
  readonly key: string;
  readonly lines: number;
  readonly pauseMs: number;
  readonly exitCode: number;
}

/** Throws when a job got lost, ran twice, ended otherwise than it should, or when a byte of its output is not its own. */
export async function chaos({ rounds, seed, tell }: ChaosOptions): Promise<Counts> {
  const counts = {
    rounds: 0,
    jobs: 0,
    serverKills: 0,
    zygoteKills: 0,
    initKills: 0,
    clientCuts: 0,
    failedStarts: 0,
    bytes: 0,
  };
  await using server = await TestServer.start({
    config: { logLevel: "silent", folders: [{ path: tmpdir(), users: ["*"], write: true }] },
  });
  const witness = join(server.data, "..", "witness");
  mkdirSync(witness);
  const dice = new Dice(seed);
  for (let round = 0; round < rounds; round++) {
    await inTime(new Round(server, witness, dice, counts, `r${round}`).run(), `round ${round}`);
    counts.rounds++;
    if ((round + 1) % 20 === 0) tell(`${round + 1} rounds: ${JSON.stringify(counts)}`);
  }
  await nothingLeft(server);
  return counts;
}

/** A round takes about three seconds; one that hangs is told. */
const roundSeconds = 90;

async function inTime(work: Promise<void>, what: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${roundSeconds} s`)), roundSeconds * 1000);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

class Round {
  readonly #server: TestServer;
  readonly #witness: string;
  readonly #dice: Dice;
  readonly #counts: Counts;
  readonly #name: string;
  /** Ids of jobs whose supervisor was killed. */
  readonly #orphans = new Set<bigint>();
  #over = false;

  constructor(server: TestServer, witness: string, dice: Dice, counts: Counts, name: string) {
    this.#server = server;
    this.#witness = witness;
    this.#dice = dice;
    this.#counts = counts;
    this.#name = name;
  }

  async run(): Promise<void> {
    const { whole } = this.#dice;
    const plans = Array.from({ length: whole(3, 6) }, (_, i) => ({
      key: `${this.#name}j${i}`,
      lines: whole(5, 40),
      pauseMs: whole(1, 20),
      exitCode: whole(0, 120),
    }));
    const strikes = Array.from({ length: whole(1, 2) }, () => ({
      afterMs: whole(0, 400),
      victim: (["server", "server", "zygote", "zygote", "init"] as const)[whole(0, 4)] ?? "server",
    }));
    const delays = plans.map(() => ({ startMs: whole(0, 300), cutMs: whole(20, 400) }));
    const jobs = plans.map((plan, i) => this.#life(plan, delays[i]?.startMs ?? 0, delays[i]?.cutMs ?? 0));
    const killing = this.#strike(strikes);
    try {
      await Promise.all(jobs);
    } finally {
      this.#over = true;
      await killing;
    }
  }

  async #strike(strikes: readonly { afterMs: number; victim: "server" | "zygote" | "init" }[]): Promise<void> {
    for (const { afterMs, victim } of strikes) {
      await sleep(afterMs);
      if (this.#over) return;
      if (victim === "server") {
        await this.#server.kill();
        await this.#server.start();
        this.#counts.serverKills++;
      } else if (victim === "init") this.#killInit();
      else if (killZygote(this.#server)) this.#counts.zygoteKills++;
    }
  }

  /** Of some job that runs, by its pid and its start time. */
  #killInit(): void {
    const jobs = join(this.#server.data, "jobs");
    for (const id of readdirSync(jobs)) {
      const { init } = readProcesses(join(jobs, id));
      if (init === null || identityIn(`/proc/${init.pid}`)?.startTicks !== init.startTicks) continue;
      this.#orphans.add(BigInt(id));
      process.kill(init.pid, "SIGKILL");
      this.#counts.initKills++;
      return;
    }
  }

  async #life(plan: Plan, startMs: number, cutMs: number): Promise<void> {
    await sleep(startMs);
    const id = await insist(() => this.#start(plan));
    const output = await this.#followed(id, cutMs);
    using podium = this.#server.connect("alice");
    const job = await waitForJob(podium, id);
    this.#counts.jobs++;
    const ran = existsSync(this.#witnessOf(plan)) ? readFileSync(this.#witnessOf(plan), "utf8") : "";
    if (this.#orphans.has(id) && job.outcome?.cause !== "EXITED") {
      assert.ok(["LOST", "START_FAILED"].includes(job.outcome?.cause ?? ""), `${plan.key}: ${job.outcome?.cause}`);
      assert.ok(ran === "" || ran === "ran\n", `${plan.key} ran ${ran.length / 4} times`);
    } else if (neverStarted(job)) {
      this.#counts.failedStarts++;
      assert.is(ran, "", `${plan.key} was told not to have started, and ran`);
    } else {
      assert.is(ran, "ran\n", `${plan.key} ran ${ran.length / 4} times`);
      this.#checkEnd(plan, job, output);
    }
    await this.#checkFiles(id, job, output);
    await insist(() => removeJob(podium, id).catch(unlessGone));
  }

  /** A start that failed made a job too. */
  async #start(plan: Plan): Promise<bigint> {
    using podium = this.#server.connect("alice");
    const grants = [{ source: this.#witness, target: "/witness", writable: true }];
    // Its first act is to sign; whoever ran twice would have signed twice.
    const cmd = `echo ran >> /witness/${plan.key}; i=0; while [ $i -lt ${plan.lines} ]; do i=$((i+1)); echo ${plan.key} $i; [ $((i%5)) = 0 ] && echo ${plan.key} err $i >&2; sleep ${plan.pauseMs / 1000}; done; exit ${plan.exitCode}`;
    try {
      return await startJob(podium, StartRequest.create({ cmd, grants, requestId: plan.key, name: plan.key }));
    } catch (error) {
      if (error instanceof JobFailure && error.id > 0n) return error.id;
      throw error;
    }
  }

  /** A client that is cut in the middle, and another that goes on at the byte where it was. */
  async #followed(id: bigint, cutMs: number): Promise<Record<StreamName, string>> {
    const output = { stdout: "", stderr: "" };
    const cut = new AbortController();
    const timer = setTimeout(() => cut.abort(new Error("cut")), cutMs);
    await Promise.all((["stdout", "stderr"] as const).map((stream) => this.#read(id, stream, output, cut.signal)));
    clearTimeout(timer);
    return output;
  }

  async #read(id: bigint, stream: StreamName, output: Record<StreamName, string>, cut: AbortSignal): Promise<void> {
    for (const signal of [cut, undefined]) {
      using podium = this.#server.connect("alice");
      try {
        const offset = BigInt(output[stream].length);
        for await (const piece of followLogs(podium, id, { stream, offset }, signal)) {
          assert.is(Number(piece.offset), output[stream].length, `${stream} of job ${id} goes on elsewhere`);
          output[stream] += piece.bytes.toString("latin1");
        }
        return;
      } catch (error) {
        if (signal?.aborted !== true) throw error;
        this.#counts.clientCuts++;
      }
    }
  }

  #checkEnd(
    { key, lines, exitCode }: Plan,
    { outcome }: JobInfo,
    { stdout, stderr }: Record<StreamName, string>,
  ): void {
    assert.equal([outcome?.cause, outcome?.exitCode], ["EXITED", exitCode], `${key}: ${outcome?.message}`);
    const numbers = Array.from({ length: lines }, (_, n) => n + 1);
    assert.is(stdout, numbers.map((n) => `${key} ${n}\n`).join(""));
    assert.is(
      stderr,
      numbers
        .filter((n) => n % 5 === 0)
        .map((n) => `${key} err ${n}\n`)
        .join(""),
    );
  }

  /** What was followed is what is on the disk, and what a new reader gets; and the state is true. */
  async #checkFiles(id: bigint, job: JobInfo, output: Record<StreamName, string>): Promise<void> {
    using podium = this.#server.connect("alice");
    const read = async () => {
      const again = { stdout: "", stderr: "" };
      for await (const { stream, bytes } of logsOf(podium, id)) again[stream] += bytes.toString("latin1");
      return again;
    };
    assert.equal(await insist(read), output);
    const file = (name: string) => readFileSync(join(this.#server.data, "jobs", String(id), name), "latin1");
    assert.equal({ stdout: file("stdout"), stderr: file("stderr") }, output);
    assert.is(file("state"), `${job.state}\n`);
    assert.is(job.state, job.outcome?.cause === "EXITED" && job.outcome.exitCode === 0 ? "COMPLETED" : "FAILED");
    this.#counts.bytes += output.stdout.length + output.stderr.length;
    assert.equal((await insist(() => jobStatus(podium, id))).outcome, job.outcome);
  }

  #witnessOf({ key }: Plan): string {
    return join(this.#witness, key);
  }
}

function neverStarted({ outcome, startedAt }: JobInfo): boolean {
  return outcome?.cause === "START_FAILED" || (outcome?.cause === "LOST" && startedAt === undefined);
}

/** As a user would: the server is not there, try again. A connection that was lost comes back by itself. */
async function insist<T>(call: () => Promise<T>): Promise<T> {
  for (const deadline = performance.now() + 60_000; ; await sleep(50)) {
    try {
      return await call();
    } catch (error) {
      if (!isInterruption(error) || performance.now() > deadline) throw error;
    }
  }
}

/** The server died between the removal and its answer. */
function unlessGone(error: unknown): void {
  if (!(error instanceof CallFailure) || error.status !== "NOT_FOUND") throw error;
}

/** False when there was none to kill just now. */
function killZygote({ data }: TestServer): boolean {
  const pid = Number(readFileSync(join(data, "zygote.pid"), "utf8"));
  if (pid === 0 || !living(pid)) return false;
  process.kill(pid, "SIGKILL");
  return true;
}

async function nothingLeft(server: TestServer): Promise<void> {
  using podium = server.connect("alice");
  for await (const { id } of listJobs(podium, { all: true })) throw new Error(`job ${id} is left`);
  assert.equal(
    groupsOf(server, "" as unknown as bigint).filter((folder) => !folder.endsWith("/jobs/")),
    [],
  );
}
