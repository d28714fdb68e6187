// One command in a sandbox of this machine, with no server: `podium sandbox`.
import { openSync, readFileSync } from "node:fs";
import { disksOf } from "../../sandbox/cgroup/block-device.ts";
import { tryFurtherLimits } from "../../sandbox/cgroup/further-limits.ts";
import { checkRequest } from "../../sandbox/cgroup/limits.ts";
import { ControlClient } from "../../sandbox/init/client.ts";
import { usualFilter } from "../../sandbox/seccomp/programs.ts";
import type { ExitRecord, SandboxSpec, TerminalSize } from "../../sandbox/spec.ts";
import { O_NONBLOCK, O_RDONLY } from "../../sandbox/sys/descriptors.ts";
import { idLocks, StartFailedError, ZygoteClient } from "../../sandbox/zygote/client.ts";
import type { NetworkWish } from "../jobs/network-request.ts";
import { withWorkFolder } from "../jobs/work-grant.ts";
import { openLocalNetwork } from "./network.ts";
import { makeScratchData, removeScratchData, type ScratchData } from "./scratch-data.ts";
import { ForwardedSignals } from "./signals.ts";
import { copyOut, StandardInput } from "./streams.ts";
import { makeLocalWork, type WorkSteps } from "./work.ts";

const job = "1";

/** podium's own terminal, as the job's. */
export interface OwnTerminal extends Disposable {
  /** From here on keys are bytes; tells the present size and each new one. */
  enter(resized: (size: TerminalSize) => void): void;
  /** What the job is about to show. */
  note(bytes: Buffer): void;
}

/** What goes with the job; `work` is there when the request was prepared for it (work.ts). */
export interface LocalWishes {
  readonly network: NetworkWish;
  readonly terminal: OwnTerminal | null;
  readonly work: WorkSteps | null;
}

/**
 * Runs to the end and says how it ended; a failed start is an ExitRecord too. Nothing is left behind. Throws when the
 * host cannot have it so, or when output or input was lost.
 */
export async function runLocally(asked: SandboxSpec, wishes: LocalWishes): Promise<ExitRecord> {
  using terminal = wishes.terminal;
  using signals = new ForwardedSignals();
  const data = await makeScratchData();
  try {
    const run = (spec: SandboxSpec) => runIn(data, spec, wishes.network, terminal, signals);
    return await (wishes.work === null ? run(asked) : runWithWork(data, asked, wishes.work, signals, run));
  } finally {
    removeScratchData(data);
  }
}

async function runWithWork(
  data: ScratchData,
  asked: SandboxSpec,
  work: WorkSteps,
  signals: ForwardedSignals,
  run: (spec: SandboxSpec) => Promise<ExitRecord>,
): Promise<ExitRecord> {
  const folder = makeLocalWork(data.folder);
  const interrupted = () => signals.pending;
  await work.fill(folder, interrupted);
  const record = await run(withWorkFolder(asked, folder));
  signals.hold();
  if (record.startedAtMs > 0) await work.collect(folder, interrupted);
  return record;
}

async function runIn(
  data: ScratchData,
  spec: SandboxSpec,
  wish: NetworkWish,
  terminal: OwnTerminal | null,
  signals: ForwardedSignals,
): Promise<ExitRecord> {
  const disks = disksOf(spec);
  checkRequest({ name: job, limits: spec.limits, disks }, data.cgroup.unenforceable);
  tryFurtherLimits(data.cgroup, spec.limits);
  const [network, zygote] = await prepare(data, spec, wish);
  try {
    return await new LocalJob(zygote, data, network.within(spec), disks).run(signals, terminal);
  } finally {
    await zygote.close();
    await network.close();
  }
}

/** Both at the same time; neither is left when one cannot be had. */
async function prepare(data: ScratchData, spec: SandboxSpec, wish: NetworkWish) {
  const opened = openLocalNetwork(data.folder, wish, spec.hostname);
  const spawned = ZygoteClient.spawn({ cgroup: data.cgroup, stage: data.stage, idLocks, ...usualFilter() });
  const [network, zygote] = await Promise.allSettled([opened, spawned]);
  if (network.status === "fulfilled" && zygote.status === "fulfilled") return [network.value, zygote.value] as const;
  if (network.status === "fulfilled") await network.value.close();
  if (zygote.status === "fulfilled") await zygote.value.close();
  throw network.status === "rejected" ? network.reason : (zygote as PromiseRejectedResult).reason;
}

class LocalJob {
  readonly #zygote: ZygoteClient;
  readonly #data: ScratchData;
  readonly #spec: SandboxSpec;
  readonly #disks: string[];
  readonly #gone: Promise<void>;

  constructor(zygote: ZygoteClient, data: ScratchData, spec: SandboxSpec, disks: string[]) {
    this.#zygote = zygote;
    this.#data = data;
    this.#spec = spec;
    this.#disks = disks;
    this.#gone = new Promise((resolve) => {
      zygote.once("gone", () => resolve());
      zygote.once("exit", () => resolve());
    });
  }

  async run(signals: ForwardedSignals, terminal: OwnTerminal | null): Promise<ExitRecord> {
    // What is written to a terminal is stdout: the other FIFO would have no writer, ever.
    const names = terminal === null ? (["stdout", "stderr"] as const) : (["stdout"] as const);
    const fifos = names.map((name) => ({ name, fd: this.#openOutput(name) }));
    const failure = await this.#start();
    if (failure !== null) return failure;
    using input = new StandardInput();
    using _ = terminal; // as it was, before its stdin is closed, and for whatever is said from here on
    const { output } = this.#spec;
    const outputs = fifos.map(({ fd, name }) => copyOut(fd, name, output, terminal));
    await this.#attend(signals, terminal, input);
    const lost = [input.loss, ...(await Promise.all(outputs))].find((loss) => loss !== null);
    if (lost !== undefined) throw new Error(lost);
    return readRecord(this.#data) ?? lostRecord();
  }

  #openOutput(name: "stdout" | "stderr"): number {
    return openSync(`${this.#data.jobFolder}/${name}`, O_RDONLY | O_NONBLOCK);
  }

  /** null once the command has been exec'd. */
  async #start(): Promise<ExitRecord | null> {
    const { jobFolder: folder } = this.#data;
    try {
      await this.#zygote.start({ job, folder, spec: this.#spec, disks: this.#disks, bound: true });
      return null;
    } catch (error) {
      if (!(error instanceof StartFailedError)) throw error;
      await this.#gone;
      return readRecord(this.#data) ?? startFailed(error);
    }
  }

  /** Hands signals and stdin on until init has ended; its connection tells, also when the zygote has died. */
  async #attend(signals: ForwardedSignals, terminal: OwnTerminal | null, input: StandardInput): Promise<void> {
    const client = await connect(this.#data.jobFolder);
    if (client !== null) {
      // Not events.once: it rejects on "error", which a reset by an init that is through is.
      const ended = new Promise((resolve) => client.socket.once("close", resolve));
      signals.to(client);
      terminal?.enter((size) => client.resize(size));
      const feeder = this.#spec.stdin === "stream" ? await connect(this.#data.jobFolder) : null;
      if (feeder !== null) input.feed(feeder);
      else if (terminal !== null) input.watch();
      await ended;
      input.stop();
      feeder?.close();
    }
    await this.#gone;
  }
}

/** null: the job has ended already. */
async function connect(folder: string): Promise<ControlClient | null> {
  try {
    return await ControlClient.connect(folder);
  } catch {
    return null;
  }
}

function readRecord({ jobFolder }: ScratchData): ExitRecord | null {
  try {
    return JSON.parse(readFileSync(`${jobFolder}/exit.json`, "utf8")) as ExitRecord;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

const nothing = { cpuSeconds: 0, memoryBytes: 0, memoryPeakBytes: 0, pids: 0 };

function startFailed({ failure }: StartFailedError): ExitRecord {
  return { ...lostRecord(), cause: "START_FAILED", ...failure };
}

function lostRecord(): ExitRecord {
  const message = "its supervisor was killed";
  const end = { exitCode: null, signal: null, by: "", step: "", errno: "", startedAtMs: 0 };
  return { cause: "LOST", message, ...end, finishedAtMs: Date.now(), usage: nothing };
}
