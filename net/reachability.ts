// Is a target reachable from inside a job: what was typed, and the answer in words. Pure.
import { parseAddress } from "./addresses.ts";
import { invalid } from "./errors.ts";

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

/** A process from which is asked: never another one that has its pid by now. */
export interface ProbedProcess {
  readonly pid: number;
  /** sandbox/sys/process-identity.ts; null: it is not known. */
  readonly startTicks: number | null;
}

/** How a job sees the network: where it is, how it resolves names, which rights it has. */
export interface ProbePlace {
  /** Whose namespace it is, and whose root's /etc/hosts and /etc/resolv.conf count; else a namespace's path, and texts. */
  readonly process: ProbedProcess | null;
  readonly namespace: string;
  readonly hosts: string;
  readonly resolvConf: string;
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

/** `example.org:443 from inside the job: refused (192.0.2.7, ECONNREFUSED)`, for a start that waits for it. */
export function unreachableText(target: string, { verdict, address, reason }: ProbeResult): string {
  const about = [address, reason].filter((text) => text !== "").join(", ");
  return `${target} from inside the job: ${verdict}${about === "" ? "" : ` (${about})`}`;
}
