// The server as a whole: from settings to a listening gRPC server over jobs, and back to nothing.
import { setTimeout as sleep } from "node:timers/promises";
import { logVerbosity, Server, setLogVerbosity } from "@grpc/grpc-js";
import { HealthService } from "../gen/health.ts";
import {
  FilesService,
  InfoService,
  JobsService,
  LoggerService,
  NetworkService,
  SessionService,
  StarterService,
  StatusService,
  StopperService,
} from "../gen/podium.ts";
import { openData } from "../jobs/data.ts";
import { Jobs } from "../jobs/jobs.ts";
import { auditing } from "./audit/calls.ts";
import { auditConnections } from "./audit/connections.ts";
import { auditFolder } from "./audit/files.ts";
import { AuditLog } from "./audit/log.ts";
import { Abortion } from "./call-end.ts";
import type { CallContext } from "./calls.ts";
import { CertificateCare } from "./certificate-care.ts";
import { type Config, policyOf } from "./config.ts";
import { governanceOf } from "./config-governance.ts";
import { cutterOf } from "./connections.ts";
import { MutualTls } from "./credentials.ts";
import { interceptor } from "./forwarded-call.ts";
import { sendingFramed } from "./framed.ts";
import { openServerLog, type ServerLog } from "./log.ts";
import { answeringAtOnce } from "./one-write.ts";
import { filesService } from "./services/files.ts";
import { health } from "./services/health.ts";
import { infoService } from "./services/info.ts";
import { jobsService } from "./services/jobs.ts";
import { logger } from "./services/logger.ts";
import { networkService } from "./services/network.ts";
import { session } from "./services/session.ts";
import { starter } from "./services/starter.ts";
import { statusService } from "./services/status.ts";
import { stopper } from "./services/stopper.ts";
import type { ServerFiles } from "./tls-files.ts";

export interface ServeSettings {
  /** HOST:PORT; port 0 picks a free one. */
  readonly listen: string;
  readonly data: string;
  readonly files: ServerFiles;
  readonly config: Config;
  readonly version: string;
  /** Its end ends the jobs too. */
  readonly stopJobsOnExit: boolean;
}

export interface RunningServer {
  /** HOST:PORT with the port that was taken. */
  readonly address: string;
  /** Reads certificates and revocation lists again; connections and streams stay. */
  reload(): void;
  /** Ends streams with UNAVAILABLE and leaves running jobs running, unless they are to be stopped. */
  close(): Promise<void>;
}

/** Clients that answer no ping for this long are gone; their streams end. */
const channelOptions = {
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 20_000,
  "grpc.keepalive_permit_without_calls": 1,
  "grpc.http2.min_time_between_pings_ms": 5_000,
  "grpc.max_concurrent_streams": 10_000,
  "grpc.enable_channelz": 0, // nobody asks what it counts
};
/** What calls get to end by themselves when the server ends. */
const graceMs = 1_000;
/** What jobs get between TERM and KILL when they end with the server, and then to be gone. */
const stopGraceMs = 10_000;
const endOfJobsMs = 20_000;

/** Throws before anything listens when certificates, DATA or host do not serve; each error has its mend. */
export async function serve(settings: ServeSettings): Promise<RunningServer> {
  setLogVerbosity(logVerbosity.NONE); // its own lines on stderr are no JSON, and say nothing that an error does not
  const tls = MutualTls.load(settings.files);
  const log = openServerLog(settings.config.logLevel);
  const data = openData(settings.data);
  const audit = AuditLog.open(auditFolder(data.path), settings.config.audit, log);
  const jobs = await Jobs.open(
    data,
    policyOf(settings.config, [data.path, settings.files.key]),
    governanceOf(settings.config),
    log,
  );
  const ending = new Abortion();
  const around = interceptor(sendingFramed, auditing(audit), answeringAtOnce);
  const server = new Server({ ...channelOptions, interceptors: [around] });
  addServices(server, jobs, { trust: tls, log, audit, ending }, settings);
  try {
    const port = await bind(server, settings.listen, tls);
    auditConnections(server, audit);
    const cut = cutterOf(server);
    const address = settings.listen.replace(/:\d+$/, `:${port}`);
    log.info({ address, data: data.path, dataId: data.id, audit: audit.last }, "listening");
    const care = new CertificateCare(tls, log);
    const end = () => {
      care.close();
      return close({ server, cut, jobs, ending, audit, log }, settings.stopJobsOnExit);
    };
    return { address, reload: () => care.reload(), close: end };
  } catch (error) {
    await jobs.close();
    await audit.close();
    throw error;
  }
}

function addServices(server: Server, jobs: Jobs, context: CallContext, { config, version }: ServeSettings): void {
  server.addService(StarterService, starter(jobs, context));
  server.addService(StopperService, stopper(jobs, context));
  server.addService(StatusService, statusService(jobs, context));
  server.addService(LoggerService, logger(jobs, context));
  server.addService(JobsService, jobsService(jobs, context));
  server.addService(SessionService, session(jobs, context));
  server.addService(NetworkService, networkService(jobs, context));
  server.addService(FilesService, filesService(jobs, context));
  server.addService(
    InfoService,
    infoService(jobs, context, { version, defaults: config.defaults, maximum: config.maximum }),
  );
  const names = ["Starter", "Stopper", "Status", "Logger", "Jobs", "Session", "Network", "Files", "Info"].map(
    (name) => `podium.${name}`,
  );
  server.addService(HealthService, health(names, context));
}

/** The address cannot be listened on, with the reason. */
class ListenError extends Error {
  override readonly name = "ListenError";
  readonly mend = "choose another address with --listen HOST:PORT; port 0 picks a free one";
}

/** grpc-js packs the errors of all addresses that a name has: "No address added out of total 1 resolved errors: [...]". */
function reasonOf({ message }: Error): string {
  return /errors: \[(?:listen )?(.*)\]$/s.exec(message)?.[1] ?? message;
}

function bind(server: Server, address: string, tls: MutualTls): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, tls, (error, port) => {
      if (error === null) resolve(port);
      else reject(new ListenError(`${address}: cannot listen there: ${reasonOf(error)}`));
    });
  });
}

interface Parts {
  readonly server: Server;
  /** Cuts every connection. */
  readonly cut: () => void;
  readonly jobs: Jobs;
  readonly ending: Abortion;
  readonly audit: AuditLog;
  readonly log: ServerLog;
}

/** Jobs that are to end with it do so while clients still follow them. */
async function close({ server, cut, jobs, ending, audit, log }: Parts, stopJobsOnExit: boolean): Promise<void> {
  const ended = new Promise<void>((resolve) => server.tryShutdown(() => resolve())); // from now on it accepts nothing
  if (stopJobsOnExit) {
    await jobs.stopAll(stopGraceMs, AbortSignal.timeout(stopGraceMs + endOfJobsMs));
    await Promise.race([ended, sleep(graceMs)]); // who follows a job is about to see its end
  }
  ending.abort();
  const force = setTimeout(() => {
    server.forceShutdown();
    cut();
  }, graceMs);
  await ended;
  clearTimeout(force);
  await audit.close();
  await jobs.close();
  log.info({ audit: audit.last }, "ended");
}
