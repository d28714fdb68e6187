// The nft program: text on stdin, one atomic transaction each, one at a time.
import { spawn } from "node:child_process";
import { NetworkError } from "./errors.ts";

const timeoutMs = 20_000;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program of the host with fixed arguments to its end. Throws NetworkError (unavailable) when it is not there. */
export function runProgram(program: string, args: readonly string[], input: string, mend: string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };
    const child = spawn(program, args, { env, cwd: "/", stdio: "pipe" });
    // Not spawn's own timeout: of a program that cannot be run it would keep this process alive.
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.stdin.on("error", () => {}); // it ended early; its stderr says why
    child.once("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(new NetworkError("unavailable", `the program ${program} cannot be run (${error.code})`, mend));
    });
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
    });
    child.stdin.end(input);
  });
}

const mend = "apt-get install nftables";

/** `nft -f -`: all of the text or nothing of it. Throws NetworkError with nft's own first line. */
export async function applyRules(text: string): Promise<void> {
  if (text === "") return;
  const { code, stderr } = await runProgram("nft", ["-f", "-"], text, mend);
  if (code === 0) return;
  throw new NetworkError("failed", `nft refused a transaction: ${stderr.split("\n")[0]}`);
}

/** `nft -j -t list …`: the array of objects under `nftables` (libnftables-json(5)), sets without their elements. */
export async function listRules(...what: readonly string[]): Promise<unknown[]> {
  const { code, stdout, stderr } = await runProgram("nft", ["-j", "-t", "list", ...what], "", mend);
  if (code !== 0) throw new NetworkError("failed", `nft list ${what.join(" ")}: ${stderr.split("\n")[0]}`);
  return (JSON.parse(stdout) as { nftables: unknown[] }).nftables;
}
