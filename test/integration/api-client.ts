// One gRPC connection with all services of podium on it, as promises and async iterators; it checks nothing.
import { type CallOptions, type Client, type ClientReadableStream, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { Connection } from "../../src/client/credentials.ts";
import { type HealthCheckResponse, HealthClient } from "../../src/gen/health.ts";
import {
  FilesClient,
  type GetResponse,
  InfoClient,
  type InfoResponse,
  type JobInfo,
  JobsClient,
  ListRequest,
  LoggerClient,
  LogRequest,
  type LogResponse,
  type LogSuccess,
  type PutOpen,
  type PutResponse,
  SessionClient,
  StarterClient,
  StartRequest,
  type StartResponse,
  StatusClient,
  type StatusResponse,
  StopperClient,
  StopRequest,
  type StopResponse,
  type UploadResponse,
} from "../../src/gen/podium.ts";

type Answer<T> = (error: ServiceError | null, response: T) => void;

function promised<T>(call: (answer: Answer<T>) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, response) => (error === null ? resolve(response) : reject(error)));
  });
}

/** What a Log stream delivered, put together. */
export interface Output {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export class Api {
  readonly starter: StarterClient;
  readonly stopper: StopperClient;
  readonly statuses: StatusClient;
  readonly logger: LoggerClient;
  readonly jobs: JobsClient;
  readonly infos: InfoClient;
  readonly session: SessionClient;
  readonly files: FilesClient;
  readonly health: HealthClient;

  constructor({ target, credentials, options }: Connection) {
    const own = { ...options, "grpc.use_local_subchannel_pool": 1, "grpc.max_send_message_length": -1 };
    this.starter = new StarterClient(target, credentials, own);
    const shared = { ...own, channelOverride: this.starter.getChannel() };
    this.stopper = new StopperClient(target, credentials, shared);
    this.statuses = new StatusClient(target, credentials, shared);
    this.logger = new LoggerClient(target, credentials, shared);
    this.jobs = new JobsClient(target, credentials, shared);
    this.infos = new InfoClient(target, credentials, shared);
    this.session = new SessionClient(target, credentials, shared);
    this.files = new FilesClient(target, credentials, shared);
    this.health = new HealthClient(target, credentials, shared);
  }

  start(request: Partial<StartRequest>): Promise<StartResponse> {
    return promised((answer) => this.starter.start(StartRequest.create(request), answer));
  }

  /** Starts and gives the id; throws what the failure says. */
  async startId(request: Partial<StartRequest> | string): Promise<bigint> {
    const { response } = await this.start(typeof request === "string" ? { cmd: request } : request);
    if (response?.$case === "success") return response.value.id;
    throw new Error(`Start failed: ${response?.value.msg}`);
  }

  stop(request: Partial<StopRequest>): Promise<StopResponse> {
    return promised((answer) => this.stopper.stop(StopRequest.create(request), answer));
  }

  status(id: bigint): Promise<StatusResponse> {
    return promised((answer) => this.statuses.status({ id }, answer));
  }

  /** All that Status tells; throws what the failure says. */
  async info(id: bigint): Promise<JobInfo> {
    const { response } = await this.status(id);
    if (response?.$case === "success" && response.value.job !== undefined) return response.value.job;
    throw new Error(`Status failed: ${response?.$case === "failure" ? response.value.msg : "no job"}`);
  }

  async wait(id: bigint): Promise<JobInfo> {
    const { job } = await promised((answer: Answer<{ job?: JobInfo | undefined }>) => this.jobs.wait({ id }, answer));
    if (job === undefined) throw new Error("Wait answered without a job");
    return job;
  }

  async remove(id: bigint): Promise<void> {
    await promised((answer) => this.jobs.remove({ id }, answer));
  }

  async list(all = false, name = ""): Promise<JobInfo[]> {
    const jobs: JobInfo[] = [];
    for await (const { job } of this.jobs.list(ListRequest.create({ all, name }))) jobs.push(job);
    return jobs;
  }

  /** Sends a tar stream in these pieces. */
  upload(pieces: readonly Buffer[]): Promise<UploadResponse> {
    return promised((answer: Answer<UploadResponse>) => {
      const call = this.files.upload(answer);
      call.on("error", () => {}); // the answer tells
      for (const tar of pieces) call.write({ tar });
      call.end();
    });
  }

  put(open: PutOpen, pieces: readonly Buffer[]): Promise<PutResponse> {
    return promised((answer: Answer<PutResponse>) => {
      const call = this.files.put(answer);
      call.on("error", () => {}); // the answer tells
      call.write({ request: { $case: "open", value: open } });
      for (const tar of pieces) call.write({ request: { $case: "tar", value: tar } });
      call.end();
    });
  }

  /** A file or folder of a job, to the end of the stream. */
  async get(id: bigint, path: string): Promise<{ tar: Buffer; notes: string[] }> {
    const tar: Buffer[] = [];
    const notes: string[] = [];
    for await (const { response } of this.files.get({ id, path }) as AsyncIterable<GetResponse>) {
      if (response?.$case === "tar") tar.push(response.value);
      else if (response?.$case === "note") notes.push(response.value);
    }
    return { tar: Buffer.concat(tar), notes };
  }

  serverInfo(): Promise<InfoResponse> {
    return promised((answer) => this.infos.info({}, answer));
  }

  check(service: string): Promise<HealthCheckResponse> {
    return promised((answer) => this.health.check({ service }, answer));
  }

  log(request: Partial<LogRequest>, options: Partial<CallOptions> = {}): ClientReadableStream<LogResponse> {
    const stream = this.logger.log(LogRequest.create(request), new Metadata(), options);
    stream.on("error", () => {}); // whoever reads it gets the error from the iterator
    return stream;
  }

  /** Both streams to the end of the call, checked for gaps: each piece begins where the last one of its stream ended. */
  output(request: Partial<LogRequest>): Promise<Output> {
    return collect(this.log(request), request);
  }

  close(): void {
    const clients: Client[] = [this.starter, this.stopper, this.statuses, this.logger, this.jobs, this.infos];
    for (const client of [...clients, this.session, this.files, this.health]) client.close();
  }
}

/** Reads a Log stream to its end; throws on a failure, on a gap, and on a piece with both streams or none. */
export async function collect(
  stream: AsyncIterable<LogResponse>,
  { stdoutOffset, stderrOffset, tailLines }: Partial<LogRequest> = {},
): Promise<Output> {
  const pieces = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  const next: { stdout: bigint | null; stderr: bigint | null } = {
    stdout: tailLines === undefined ? (stdoutOffset ?? 0n) : null,
    stderr: tailLines === undefined ? (stderrOffset ?? 0n) : null,
  };
  for await (const { response } of stream) {
    if (response?.$case !== "success") throw new Error(`Log failed: ${response?.value.msg}`);
    if (isBeginning(response.value)) continue;
    const { name, bytes, offset } = pieceOf(response.value);
    if (next[name] !== null && next[name] !== offset) throw new Error(`${name} jumps from ${next[name]} to ${offset}`);
    next[name] = offset + BigInt(bytes.length);
    pieces[name].push(bytes);
  }
  return { stdout: Buffer.concat(pieces.stdout), stderr: Buffer.concat(pieces.stderr) };
}

/** Only says where a stream begins. */
function isBeginning({ stdout, stderr, gap }: LogSuccess): boolean {
  return stdout.length + stderr.length === 0 && gap === 0n;
}

function pieceOf({ stdout, stderr, offset, gap, stream }: LogSuccess) {
  if (stdout.length > 0 === stderr.length > 0) throw new Error("a message carries exactly one stream");
  const name = stdout.length > 0 ? ("stdout" as const) : ("stderr" as const);
  if (!stream.toLowerCase().endsWith(name)) throw new Error(`a piece of ${name} calls itself ${stream}`);
  if (gap > 0n) throw new Error(`${gap} bytes are missing before ${offset}`);
  return { name, bytes: name === "stdout" ? stdout : stderr, offset };
}
