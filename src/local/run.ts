// One command in a sandbox of this machine, with no server: `podium sandbox`.
import { openSync, readFileSync } from "node:fs";
import { Socket } from "node:net";
import { constants, type SignalConstants } from "node:os";
import { pipeline } from "node:stream/promises";
import { wholeDisks } from "../../sandbox/cgroup/block-device.ts";
import { checkRequest } from "../../sandbox/cgroup/limits.ts";
import { ControlClient } from "../../sandbox/init/client.ts";
import type { ExitRecord, SandboxSpec } from "../../sandbox/spec.ts";
import { O_NONBLOCK, O_RDONLY } from "../../sandbox/sys/descriptors.ts";
import { StartFailedError, ZygoteClient } from "../../sandbox/zygote/client.ts";
import { idLocks, makeScratchData, removeScratchData, type ScratchData } from "./scratch-data.ts";

const job = "1";
const forwarded: readonly (keyof SignalConstants)[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"];

/** Runs to the end and says how it ended; a failed start is an ExitRecord too. Nothing is left behind. */
export async function runLocally(spec: SandboxSpec): Promise<ExitRecord> {
  const data = makeScratchData();
  try {
    const disks = spec.limits.ioBytesPerSecond === 0 ? [] : wholeDisks(foldersOf(spec));
    checkRequest({ name: job, limits: spec.limits, disks }, data.cgroup.unenforceable);
    const zygote = await ZygoteClient.spawn({ cgroup: data.cgroup, stage: data.stage, idLocks });
    try {
      return await runWith(zygote, data, spec, disks);
    } finally {
      await zygote.close();
    }
  } finally {
    removeScratchData(data);
  }
}

function foldersOf(spec: SandboxSpec): string[] {
  return [spec.rootfs?.path ?? "/usr", ...spec.grants.map((grant) => grant.source)];
}

async function runWith(
  zygote: ZygoteClient,
  data: ScratchData,
  spec: SandboxSpec,
  disks: string[],
): Promise<ExitRecord> {
  const gone = new Promise<void>((resolve) => {
    zygote.once("gone", () => resolve());
    zygote.once("exit", () => resolve());
  });
  const streams = (["stdout", "stderr"] as const).map((name) =>
    openSync(`${data.jobFolder}/${name}`, O_RDONLY | O_NONBLOCK),
  );
  try {
    await zygote.start({ job, folder: data.jobFolder, spec, disks, bound: true });
  } catch (error) {
    if (!(error instanceof StartFailedError)) throw error;
    await gone;
    return readRecord(data) ?? startFailed(error);
  }
  const outputs = Promise.all([copyOut(streams[0], process.stdout), copyOut(streams[1], process.stderr)]);
  const stopControl = await control(data, spec);
  await gone;
  stopControl();
  await outputs;
  return readRecord(data) ?? lost();
}

/** A reader that went away (EPIPE) ends the copying, and the command hears of it from its own pipe. */
async function copyOut(fd: number | undefined, target: NodeJS.WriteStream): Promise<void> {
  const source = new Socket({ fd: fd as number, readable: true, writable: false });
  await pipeline(source, target, { end: false }).catch(() => source.destroy());
}

/** Signals to the command, and stdin. Returns how to stop. */
async function control({ jobFolder }: ScratchData, spec: SandboxSpec): Promise<() => void> {
  const client = await connect(jobFolder);
  if (client === null) return () => {};
  const forward = (name: NodeJS.Signals) => client.signal(constants.signals[name]);
  for (const name of forwarded) process.on(name, forward);
  const input = spec.stdin === "stream" ? await connect(jobFolder) : null;
  if (input !== null) feed(input);
  return () => {
    for (const name of forwarded) process.off(name, forward);
    client.close();
    input?.close();
    process.stdin.destroy();
  };
}

/** null: the job has ended already. */
async function connect(folder: string): Promise<ControlClient | null> {
  try {
    return await ControlClient.connect(folder);
  } catch {
    return null;
  }
}

function feed(client: ControlClient): void {
  process.stdin.on("data", (chunk: Buffer) => {
    if (client.input(chunk)) return;
    process.stdin.pause();
    client.socket.once("drain", () => process.stdin.resume());
  });
  process.stdin.once("end", () => client.inputEnd());
  process.stdin.once("error", () => client.inputEnd());
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
  return { ...lost(), cause: "START_FAILED", message: failure.message, step: failure.step, errno: failure.errno };
}

function lost(): ExitRecord {
  const message = "its supervisor was killed";
  const end = {
    exitCode: null,
    signal: null,
    by: "",
    step: "",
    errno: "",
    startedAtMs: 0,
    finishedAtMs: Date.now(),
    usage: nothing,
  };
  return { cause: "LOST", message, ...end };
}
