// The last step of a build: runs the programs of dist/ and keeps what V8 has compiled by then, so that nobody waits for it
// again. A client needs a server for that: one that knows a single finished job, on loopback, over real mutual TLS.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { initAuthority, issueUser, openAuthority } from "../src/certs/authority.ts";
import { loadProgram } from "../src/cli/program.ts";
import {
  InfoResponse,
  InfoService,
  JobInfo,
  JobsService,
  ListResponse,
  LoggerService,
  LogResponse,
  StarterService,
  StartResponse,
  StatusResponse,
  StatusService,
  WaitResponse,
} from "../src/gen/podium.ts";

const id = 1n;
const now = new Date();
const job = JobInfo.fromPartial({
  id,
  name: "warm-up",
  user: "warm-up",
  state: "COMPLETED",
  outcome: { cause: "EXITED", exitCode: 0, message: "ended with exit code 0" },
  createdAt: now,
  startedAt: now,
  finishedAt: now,
  command: ["/bin/true"],
  limits: { cpus: 1, memoryBytes: 1n << 30n, pids: 512n },
  usage: { cpuSeconds: 0.1, memoryPeakBytes: 1n << 20n },
});

type Unary = (call: unknown, answer: (error: null, message: unknown) => void) => void;
type Stream = (call: { write(message: unknown): void; end(): void }) => void;

const unary =
  (message: unknown): Unary =>
  (_, answer) =>
    answer(null, message);
const stream =
  (message: unknown): Stream =>
  (call) => {
    call.write(message);
    call.end();
  };

function server(): Server {
  const success = <T>(value: T) => ({ response: { $case: "success", value } }) as const;
  const services = [
    [StatusService, { status: unary(StatusResponse.fromPartial(success({ id, state: "COMPLETED", job }))) }],
    [StarterService, { start: unary(StartResponse.fromPartial(success({ id }))) }],
    [LoggerService, { log: stream(LogResponse.fromPartial(success({ id, stdout: Buffer.from("warm\n") }))) }],
    [JobsService, { list: stream(ListResponse.fromPartial({ job })), wait: unary(WaitResponse.fromPartial({ job })) }],
    [InfoService, { info: unary(InfoResponse.fromPartial({})) }],
  ] as const;
  const made = new Server();
  for (const [service, calls] of services) made.addService(service as never, calls as never);
  return made;
}

/** The port. */
function listen(made: Server, certs: string): Promise<number> {
  const file = (name: string): Buffer => readFileSync(join(certs, name));
  const pair = { cert_chain: file("server.crt"), private_key: file("server.key") };
  const credentials = ServerCredentials.createSsl(file("ca.crt"), [pair], true);
  return new Promise((resolve, reject) => {
    made.bindAsync("127.0.0.1:0", credentials, (error, port) => (error === null ? resolve(port) : reject(error)));
  });
}

/** What a user does most, twice where that makes V8 compile more. */
const clientLines = [
  "--help",
  "status 1",
  "status 1",
  "status -o json 1",
  "ps -a",
  "logs 1",
  "run true",
  "start true",
  "wait 1",
];

async function warmClient(path: string, certs: string): Promise<void> {
  initAuthority({ folder: certs, hosts: ["127.0.0.1"], days: 90, replace: false });
  const made = server();
  const address = `127.0.0.1:${await listen(made, certs)}`;
  issueUser(openAuthority(certs), { name: "warm-up", role: "user", server: address, days: 90, replace: false });
  const program = loadProgram(path);
  const { main } = program.evaluate();
  for (const line of clientLines) {
    await main(["--profile", join(certs, "warm-up.podium"), ...line.split(" ")]);
    if (process.exitCode) throw new Error(`podium ${line} ended with ${process.exitCode}`);
  }
  program.writeCache();
  made.forceShutdown();
}

/** A server cannot be started here; what it loads, and all that this compiles, is most of it. */
async function warmHost(path: string): Promise<void> {
  const program = loadProgram(path);
  const { main } = program.evaluate();
  for (const name of ["serve", "sandbox", "doctor", "audit", "certs"]) await main(["help", name]);
  program.writeCache();
}

const [client = "", host = ""] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "podium-warm-up-"));
try {
  await warmClient(client, folder);
  await warmHost(host);
} finally {
  rmSync(folder, { recursive: true });
}
