// Is a target reachable from inside a job: what was typed, the answer in words, and the program that asks.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAddress } from "./addresses.ts";
import { invalid, NetworkError } from "./errors.ts";

/** `port` null: ICMP echo. */
export interface ProbeTarget {
  readonly host: string;
  readonly port: number | null;
}

export const verdicts = ["reachable", "refused", "unreachable", "timeout"] as const;
export type Verdict = (typeof verdicts)[number];

export interface ProbeResult {
  readonly verdict: Verdict;
  readonly milliseconds: number;
  /** The address that was asked, "" when the name has none. */
  readonly address: string;
  /** errno code or resolver code behind the verdict, "" for reachable. */
  readonly reason: string;
}

/** How a job sees the network: where it is, how it resolves names, which rights it has. */
export interface ProbePlace {
  /** Path of the namespace's file. */
  readonly namespace: string;
  readonly nameservers: readonly string[];
  /** Text of its /etc/hosts. */
  readonly hosts: string;
  /** Ids of the host that the asking process takes; 0 keeps root. */
  readonly uid: number;
  readonly gid: number;
}

export interface ProbeRequest extends ProbePlace {
  readonly target: ProbeTarget;
  readonly timeoutMs: number;
}

const hostName = /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?$/;

/** `HOST:PORT`, `[IPV6]:PORT`, `HOST` or `IPV6`. Throws NetworkError (invalid). */
export function parseTarget(field: string, text: string): ProbeTarget {
  if (parseAddress(text) !== null) return { host: text, port: null };
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? "";
  const number = port === undefined ? null : Number(port);
  const good = bracketed === undefined ? isHost(host) : parseAddress(host)?.family === 6;
  if (good && (number === null || (number >= 1 && number <= 65_535))) return { host, port: number };
  throw invalid(field, `${JSON.stringify(text)} is not HOST:PORT or HOST`, "write it like example.org:443");
}

/** Only digits and dots is an address or a mistake, never a name. */
function isHost(text: string): boolean {
  return /^[\d.]+$/.test(text) ? parseAddress(text) !== null : hostName.test(text);
}

/** For `--require-reachable`, which wants a port. Throws NetworkError (invalid). */
export function parseRequired(field: string, text: string): ProbeTarget {
  const target = parseTarget(field, text);
  if (target.port !== null) return target;
  throw invalid(field, `${JSON.stringify(text)} has no port`, "write it like example.org:443");
}

/** What an errno or resolver code of a failed probe means. */
export function verdictOf(code: string): Verdict {
  if (code === "ECONNREFUSED" || code === "ECONNRESET") return "refused";
  return code === "ETIMEDOUT" ? "timeout" : "unreachable";
}

/** `reachable in 1.2 ms (192.0.2.7)`: the one line of `podium netcheck`. */
export function describe({ verdict, milliseconds, address, reason }: ProbeResult): string {
  const about = [address, reason].filter((text) => text !== "").join(", ");
  return `${verdict} in ${milliseconds.toFixed(1)} ms${about === "" ? "" : ` (${about})`}`;
}

/** `network-probe.cjs` beside the bundle that runs, or the compiled module of the checkout. */
function probeProgram(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const candidates = [join(here, "probe/main.js"), join(here, "network-probe.cjs"), join(here, "../network-probe.cjs")];
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
