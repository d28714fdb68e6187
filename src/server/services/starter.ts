import { createHash } from "node:crypto";
import type { JobRequest, RootfsRequest } from "../../../sandbox/request.ts";
import { type Rootfs, RootfsMode, type StarterServer, StartRequest, type StartResponse } from "../../gen/podium.ts";
import type { Abortable } from "../../jobs/abortable.ts";
import { InvalidRequest } from "../../jobs/errors.ts";
import type { Caller, Jobs } from "../../jobs/jobs.ts";
import type { RequestIdentity } from "../../jobs/request-id.ts";
import { auditAccepted } from "../audit/calls.ts";
import { type CallContext, unary } from "../calls.ts";
import { inBand } from "../failures.ts";
import { networkWishOf } from "./network-wish.ts";

export function starter(jobs: Jobs, context: CallContext): StarterServer {
  return {
    start: unary(context, "Start", (caller, request: StartRequest, end) => start(jobs, context, caller, request, end)),
  };
}

/** What Start answers. Throws where the request is refused before there is a job. */
export async function start(
  jobs: Jobs,
  { audit }: CallContext,
  caller: Caller,
  request: StartRequest,
  aborted: Abortable,
): Promise<StartResponse> {
  try {
    const failure = audit.failure();
    if (failure !== null) throw new Error(`nothing is started that cannot be written down: the audit log: ${failure}`);
    const { name, labels, seccomp, noWait } = request;
    const network = networkWishOf(request);
    const wanted = {
      request: requestOf(request),
      name,
      labels,
      seccomp,
      network,
      work: request.work ?? null,
      repeatable: identityOf(request),
      wait: !noWait,
    };
    const job = await jobs.start(caller, wanted, (id) => auditAccepted(request, id), aborted);
    return { response: { $case: "success", value: { id: BigInt(job.id) } } };
  } catch (error) {
    const value = inBand(error, 0n);
    if (value === null) throw error;
    return { response: { $case: "failure", value } };
  }
}

/** A repetition is the same request, apart from the id itself and whether it waits. */
function identityOf(request: StartRequest): RequestIdentity | null {
  const { requestId: id } = request;
  if (id === "") return null;
  if (!/^[!-~]{1,128}$/.test(id)) {
    throw new InvalidRequest("request_id", "is not an id", "use 1 to 128 visible ASCII characters, for example a UUID");
  }
  const labels = Object.fromEntries(Object.entries(request.labels).sort(([a], [b]) => (a < b ? -1 : 1))); // a map's order is chance
  const asked = StartRequest.encode({ ...request, labels, requestId: "", noWait: false }).finish();
  return { id, digest: createHash("sha256").update(asked).digest("hex") };
}

/** `cmd` is a shell line (RFD 0); `argv` is the way without a shell. */
function argvOf({ cmd, argv }: StartRequest): string[] {
  if (argv.length > 0 && cmd !== "") throw new InvalidRequest("cmd", "cmd and argv are both given", "give one of them");
  if (argv.length > 0) return argv;
  if (cmd.trim() === "") throw new InvalidRequest("cmd", "the command is empty", "name a program to run");
  if (cmd.includes("\0")) throw new InvalidRequest("cmd", "contains a NUL byte, which no program can be given");
  return ["/bin/sh", "-c", cmd];
}

function requestOf(request: StartRequest): JobRequest {
  const { user, rootfs, cwd, hostname, terminal } = request;
  return {
    argv: argvOf(request),
    env: request.env,
    grants: request.grants.map(({ source, target, writable }) => ({ source, target: target || source, writable })),
    tmpfs: request.tmpfs.map(({ target, sizeBytes }, i) => ({
      target,
      sizeBytes: amount(`tmpfs[${i}].size_bytes`, sizeBytes),
    })),
    cpus: decimal(request.cpu),
    memoryBytes: amount("mem", request.mem),
    ioBytesPerSecond: amount("io", request.io),
    pids: amount("pids", request.pids),
    timeoutMs: amount("timeout_ms", request.timeoutMs),
    cpuWeight: request.cpuWeight,
    cpuset: request.cpusetCpus,
    memoryHighBytes: amount("mem_high", request.memHigh),
    ioOperationsPerSecond: amount("io_ops", request.ioOps),
    files: request.cgroup,
    outputBytes: amount("output_limit", request.outputLimit),
    outputKill: request.outputKill,
    stdin: request.stdin,
    capabilities: request.capAdd,
    ...(cwd !== "" && { cwd }),
    ...(hostname !== "" && { hostname }),
    ...(user && { user }),
    ...(rootfs && { rootfs: rootfsOf(rootfs) }),
    ...(terminal && { terminal }),
  };
}

/** A float of 32 bits as the decimal that was meant: 0.1, not 0.10000000149. NaN stays NaN and is refused by name. */
function decimal(float: number): number {
  return Number.isFinite(float) ? Number(float.toPrecision(7)) : float;
}

function amount(field: string, value: bigint): number {
  if (value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new InvalidRequest(field, `${value} is not a number from 0 to 2^53 - 1`, "0 asks for the server's default");
}

function rootfsOf({ path, mode, sizeBytes, inodes }: Rootfs): RootfsRequest {
  return {
    path,
    mode: rootfsMode(mode),
    sizeBytes: amount("rootfs.size_bytes", sizeBytes),
    inodes: amount("rootfs.inodes", inodes),
  };
}

function rootfsMode(mode: RootfsMode): string {
  switch (mode) {
    case RootfsMode.UNSPECIFIED:
    case RootfsMode.OVERLAY:
      return "overlay";
    case RootfsMode.RO:
      return "ro";
    case RootfsMode.RW:
      return "rw";
    default:
      throw new InvalidRequest("rootfs.mode", `${mode} is not a mode`, "use overlay, ro or rw");
  }
}
