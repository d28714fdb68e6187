import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { bundledProgram, idLocks, nodeFlags } from "../zygote/client.ts";
import { type Check, lacking } from "./check.ts";

const patienceMs = 60_000;

/** What was found. */
export interface Kernel {
  readonly checks: readonly Check[];
  /** Descriptor of a user namespace in which nobody lives, to try mappings with (setup/mapping.ts); null: there is none. */
  readonly userNamespace: number | null;
}

/** What the kernel gives, tried in a process of its own (main.ts). */
export async function examineKernel(): Promise<Kernel> {
  const child = spawn(process.execPath, [...nodeFlags, bundledProgram("trials.cjs"), idLocks], {
    cwd: "/",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    stdio: ["pipe", "pipe", "pipe"],
    timeout: patienceMs,
    killSignal: "SIGKILL",
  });
  child.stdin.on("error", () => {}); // it has ended; its answer says more
  const ended = endOf(child);
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => {
    complaint += chunk;
  });
  const answer = await firstLine(child, ended);
  const kernel = answer === null ? null : kernelFrom(answer, child);
  child.stdin.end();
  const how = await ended;
  if (kernel !== null) return kernel;
  const why = complaint.trim().split("\n").at(-1) ?? "";
  const mend = "use the Node of nodejs.org or of the distribution (20.19 or later), with glibc";
  const check = lacking("trials", `the process that tries the kernel ${how}: ${why}`, mend);
  return { checks: [check], userNamespace: null };
}

/** Never rejects: a process that could not even be made has ended too. */
function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("close", (code, signal) => resolve(`ended with ${signal ?? code}`));
    child.once("error", (error) => resolve(`cannot be started (${error.message})`));
  });
}

/** null: it ended without. */
function firstLine({ stdout }: ChildProcess, ended: Promise<string>): Promise<string | null> {
  let text = "";
  return new Promise((resolve) => {
    stdout?.on("data", (chunk: Buffer) => {
      text += chunk;
      if (text.includes("\n")) resolve(text);
    });
    void ended.then(() => resolve(null));
  });
}

function kernelFrom(answer: string, { pid }: ChildProcess): Kernel {
  const { checks, userNamespace } = JSON.parse(answer) as Kernel;
  return { checks, userNamespace: userNamespace === null ? null : openSync(`/proc/${pid}/fd/${userNamespace}`, "r") };
}

/** For those who want the lines only. */
export async function tryKernel(): Promise<readonly Check[]> {
  const { checks, userNamespace } = await examineKernel();
  if (userNamespace !== null) closeSync(userNamespace);
  return checks;
}
