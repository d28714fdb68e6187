import { spawn } from "node:child_process";
import { once } from "node:events";
import { bundledProgram, idLocks, nodeFlags } from "../zygote/client.ts";
import { type Check, lacking } from "./check.ts";

const patienceMs = 30_000;

/** What the kernel gives, tried in a process of its own (main.ts). */
export async function tryKernel(): Promise<Check[]> {
  const child = spawn(process.execPath, [...nodeFlags, bundledProgram("trials.cjs"), idLocks], {
    cwd: "/",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: patienceMs,
    killSignal: "SIGKILL",
  });
  let [answer, complaint] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    answer += chunk;
  });
  child.stderr.on("data", (chunk: Buffer) => {
    complaint += chunk;
  });
  const [code, signal] = await once(child, "close");
  if (code === 0 && answer !== "") return JSON.parse(answer) as Check[];
  const why = complaint.trim().split("\n").at(-1) ?? "";
  const mend = "use the Node of nodejs.org or of the distribution (20.19 or later), with glibc";
  return [lacking("trials", `the process that tries the kernel ended with ${signal ?? code}: ${why}`, mend)];
}
