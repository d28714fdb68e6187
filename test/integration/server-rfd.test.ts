// A client generated from RFD 0's own text, which knows nothing of what podium adds, runs the whole main job.
import type { Client, ServiceError } from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import {
  LoggerClient,
  type LogResponse,
  StarterClient,
  type StartResponse,
  State,
  StatusClient,
  type StatusResponse,
  StopperClient,
  type StopResponse,
} from "../rfd/gen/rfd0.ts";
import { requires, suite } from "../support/suite.ts";
import { LiveServer } from "./live-server.ts";

const test = suite("a client of RFD 0");
const root = requires("root", "libseccomp");

type Answer<T> = (error: ServiceError | null, response: T) => void;

function promised<T>(call: (answer: Answer<T>) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, response) => (error === null ? resolve(response) : reject(error)));
  });
}

class RfdClient implements Disposable {
  readonly #starter: StarterClient;
  readonly #stopper: StopperClient;
  readonly #status: StatusClient;
  readonly #logger: LoggerClient;

  constructor(server: LiveServer) {
    const { target, credentials, options } = server.connectionOf("alice");
    this.#starter = new StarterClient(target, credentials, options);
    this.#stopper = new StopperClient(target, credentials, options);
    this.#status = new StatusClient(target, credentials, options);
    this.#logger = new LoggerClient(target, credentials, options);
  }

  start(cmd: string, limits: { cpu?: number; mem?: bigint; io?: bigint } = {}): Promise<StartResponse> {
    return promised((answer) => this.#starter.start({ cpu: 0, mem: 0n, io: 0n, ...limits, cmd }, answer));
  }

  async startId(cmd: string): Promise<bigint> {
    const { response } = await this.start(cmd);
    assert.is(response?.$case, "success");
    return response?.value.id ?? 0n;
  }

  stop(id: bigint): Promise<StopResponse> {
    return promised((answer) => this.#stopper.stop({ id }, answer));
  }

  status(id: bigint): Promise<StatusResponse> {
    return promised((answer) => this.#status.status({ id }, answer));
  }

  async state(id: bigint): Promise<State | null> {
    const { response } = await this.status(id);
    return response?.$case === "success" ? response.value.state : null;
  }

  log(id: bigint): AsyncIterable<LogResponse> {
    return this.#logger.log({ id });
  }

  [Symbol.dispose](): void {
    const clients: Client[] = [this.#starter, this.#stopper, this.#status, this.#logger];
    for (const client of clients) client.close();
  }
}

test("it starts, follows, asks and stops a job", root, async () => {
  await using server = await LiveServer.start();
  using client = new RfdClient(server);
  const { response } = await client.start("echo begun; echo oh >&2; while :; do sleep 0.05; done", {
    cpu: 0.5,
    mem: 64n << 20n,
  });
  assert.ok(response?.$case === "success");
  const { id } = response.value;
  assert.is(await client.state(id), State.RUNNING);
  const seen = { stdout: "", stderr: "" };
  let stopping: Promise<StopResponse> | null = null;
  for await (const { response: piece } of client.log(id)) {
    assert.ok(piece?.$case === "success");
    assert.is(piece.value.id, id);
    seen.stdout += piece.value.stdout;
    seen.stderr += piece.value.stderr;
    if (seen.stdout !== "" && seen.stderr !== "") stopping ??= client.stop(id);
  }
  assert.equal(seen, { stdout: "begun\n", stderr: "oh\n" });
  assert.equal((await stopping)?.response, { $case: "success", value: { id } });
  assert.is(await client.state(id), State.FAILED);
  const short = await client.startId("exit 0");
  for await (const _ of client.log(short));
  assert.is(await client.state(short), State.COMPLETED);
  const info = await server.api().info(id);
  assert.equal([info.limits?.cpus, info.limits?.memoryBytes], [0.5, 64n << 20n]);
});

test("its failures are told in-band", root, async () => {
  await using server = await LiveServer.start();
  using client = new RfdClient(server);
  assert.equal((await client.stop(7n)).response, { $case: "failure", value: { id: 7n, msg: "there is no job 7" } });
  assert.equal((await client.status(7n)).response, { $case: "failure", value: { id: 7n, msg: "there is no job 7" } });
  const answers: LogResponse[] = [];
  for await (const answer of client.log(7n)) answers.push(answer);
  assert.equal(answers, [{ response: { $case: "failure", value: { id: 7n, msg: "there is no job 7" } } }]);
});

/** Its `string` fields decode as UTF-8: a character cut in two would arrive as U+FFFD twice. */
async function read(client: RfdClient, id: bigint): Promise<{ text: string; pieces: number }> {
  let [text, pieces] = ["", 0];
  for await (const { response } of client.log(id)) {
    assert.ok(response?.$case === "success");
    text += response.value.stdout;
    pieces++;
  }
  return { text, pieces };
}

const odd = "aé€😀ß\u0301漢字🇩🇪\u{10ffff}";

test("text of several bytes a character, printed byte by byte, arrives whole", root, async () => {
  await using server = await LiveServer.start();
  using client = new RfdClient(server);
  const program = `import os, time
for byte in "${odd}".encode() * 5:
  os.write(1, bytes([byte])); time.sleep(0.004)
`;
  const { text, pieces } = await read(client, await client.startId(`exec python3 -c '${program}'`));
  assert.is(text, odd.repeat(5));
  assert.ok(pieces > 20, `it came live, in ${pieces} pieces`);
});

test("text longer than a message is cut between characters", root, async () => {
  await using server = await LiveServer.start();
  using client = new RfdClient(server);
  for (const shift of ["", "x", "xx", "xxx"]) {
    const program = `import sys; sys.stdout.buffer.write(("${shift}" + "${odd}" * 12000).encode())`;
    const { text } = await read(client, await client.startId(`exec python3 -c '${program}'`));
    assert.ok(text === shift + odd.repeat(12000), `with ${shift.length} bytes in front`);
  }
});

test("bytes that are no UTF-8 arrive as any decoder shows them, and hold nothing up", root, async () => {
  await using server = await LiveServer.start();
  using client = new RfdClient(server);
  const bytes = [
    0xff, 0x41, 0xc3, 0x28, 0xe2, 0x82, 0x41, 0xf0, 0x9f, 0x98, 0x0a, 0xed, 0xa0, 0x80, 0xc0, 0xaf, 0xe2, 0x82,
  ];
  const program = `import os, time
for byte in ${JSON.stringify(bytes)}:
  os.write(1, bytes([byte])); time.sleep(0.01)
`;
  const { text } = await read(client, await client.startId(`exec python3 -c '${program}'`));
  assert.is(text, new TextDecoder().decode(Buffer.from(bytes)));
});
