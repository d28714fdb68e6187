// Starts the process that asks from inside a job's network; see main.ts.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { NetworkError } from "../errors.ts";
import type { ProbeRequest, ProbeResult } from "../reachability.ts";

/** `network-probe.cjs` beside the bundle that runs, or the compiled module of the checkout. */
function probeProgram(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const candidates = [join(here, "main.js"), join(here, "network-probe.cjs"), join(here, "../network-probe.cjs")];
  const program = candidates.find((path) => existsSync(path));
  if (program === undefined)
    throw new Error("network-probe.cjs is missing beside the program; build it with `npm run build`");
  return program;
}

/** What starting the asking process may take, beside the time that the target has. */
const startMs = 5000;

/** Asks from inside the namespace, in a process of its own with the job's ids. Throws NetworkError (failed). */
export function probe(request: ProbeRequest): Promise<ProbeResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [probeProgram()], {
      cwd: "/",
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      stdio: ["pipe", "pipe", "pipe"],
      timeout: request.timeoutMs + startMs,
      killSignal: "SIGKILL",
    });
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.stdin.on("error", () => {}); // it ended early; its stderr says why
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) return resolve(JSON.parse(Buffer.concat(stdout).toString()) as ProbeResult);
      const why = Buffer.concat(stderr).toString().trim().split("\n")[0];
      reject(new NetworkError("failed", `the check could not be made: ${why || "its process was killed"}`));
    });
    child.stdin.end(JSON.stringify(request));
  });
}
