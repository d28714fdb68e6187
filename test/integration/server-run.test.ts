import { readFileSync } from "node:fs";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import { waitForJob } from "../../src/client/jobs.ts";
import { type RunEvent, type RunOptions, runJob } from "../../src/client/run-job.ts";
import { FailureCode, type JobInfo, RunRequest, type RunResponse, StartRequest, State } from "../../src/gen/podium.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { failureOf } from "../support/tls-peers.ts";
import type { Api } from "./api-client.ts";
import { LiveServer, until } from "./live-server.ts";

const test = suite("a job in one call");
const root = requires("root", "libseccomp");

type Events = NonNullable<RunResponse["event"]>[];

async function eventsOf(api: Api, start: Partial<StartRequest> | undefined, noOutput = false): Promise<Events> {
  const events: Events = [];
  const request = { start: start && StartRequest.create(start), noOutput };
  for await (const { event } of api.jobs.run(RunRequest.create(request))) events.push(event);
  return events;
}

const kinds = (events: Events) => [...new Set(events.map(({ $case }) => $case))];

function startedOf(events: Events): bigint {
  const [first] = events;
  assert.is(first?.$case, "started");
  const response = first?.$case === "started" ? first.value.response : undefined;
  return response?.value.id ?? 0n;
}

function endedOf(events: Events): JobInfo | undefined {
  const last = events.at(-1);
  return last?.$case === "ended" ? last.value : undefined;
}

function bytesOf(events: Events, stream: "stdout" | "stderr"): Buffer {
  return Buffer.concat(events.map((event) => (event.$case === "output" ? event.value[stream] : Buffer.alloc(0))));
}

test("it tells the id, the output of both streams as it is on the disk, and the end, in this order", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const cmd = "echo out; echo err >&2; head -c 300000 /dev/urandom; sleep 0.1; printf '\\303'; exit 3";
  const events = await eventsOf(api, { cmd, name: "one" });
  assert.equal(kinds(events), ["started", "output", "ended"]);
  const id = startedOf(events);
  for (const stream of ["stdout", "stderr"] as const) {
    assert.ok(bytesOf(events, stream).equals(readFileSync(join(server.data, "jobs", String(id), stream))), stream);
  }
  const job = endedOf(events);
  assert.equal([job?.id, job?.name, job?.state, job?.outcome?.exitCode], [id, "one", State.FAILED, 3]);
  assert.equal(job, await api.wait(id), "what Wait tells");
});

test("one that is over at once misses nothing, and without output none is sent", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  for (let n = 0; n < 20; n++) {
    const events = await eventsOf(api, { argv: n % 2 === 0 ? ["true"] : ["echo", String(n)] });
    assert.is(String(bytesOf(events, "stdout")), n % 2 === 0 ? "" : `${n}\n`);
    assert.is(endedOf(events)?.state, State.COMPLETED);
  }
  const events = await eventsOf(api, { cmd: "echo unheard; sleep 0.2" }, true);
  assert.equal(kinds(events), ["started", "ended"]);
  assert.is(server.jobFile(startedOf(events), "stdout"), "unheard\n");
});

test(
  "a start that fails is told as Start tells it, and nothing follows; what is refused is a status",
  root,
  async () => {
    await using server = await LiveServer.start();
    const events = await eventsOf(server.api(), { argv: ["/no/such/program"] });
    assert.is(events.length, 1);
    const [first] = events;
    const failure =
      first?.$case === "started" && first.value.response?.$case === "failure" && first.value.response.value;
    assert.is(failure ? failure.code : null, FailureCode.START_FAILED);
    assert.is((await server.api().info(startedOf(events))).state, State.FAILED);
    const refused = await failureOf(eventsOf(server.api("viewer"), { cmd: "true" }));
    assert.is(refused.code, status.PERMISSION_DENIED);
    const field = await failureOf(eventsOf(server.api(), { cmd: "true", cwd: "nowhere" }));
    assert.is(field.code, status.INVALID_ARGUMENT);
    assert.match(field.details, /cwd/);
    const empty = await failureOf(eventsOf(server.api(), undefined));
    assert.is(empty.code, status.INVALID_ARGUMENT);
    assert.match(empty.details, /start: is not set/);
  },
);

test("whoever leaves it ends the call and not the job, and each is in the audit log", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const call = api.jobs.run(RunRequest.create({ start: StartRequest.create({ cmd: "echo on; sleep 1000" }) }));
  let id = 0n;
  for await (const { event } of call as AsyncIterable<RunResponse>) {
    if (event?.$case === "started") id = startedOf([event]);
    if (event?.$case === "output") break;
  }
  call.cancel();
  assert.is((await api.info(id)).state, State.RUNNING);
  await failureOf(eventsOf(server.api("viewer"), { cmd: "true" }));
  const lines = () => readFileSync(join(server.data, "audit", "audit-000001.ndjson"), "utf8");
  const told = ["allowed", "refused"].map((decision) => new RegExp(`"call":"Jobs/Run",[^}]*"decision":"${decision}"`));
  await until("both lines", () => told.every((line) => line.test(lines())));
  assert.match(lines(), new RegExp(`"call":"Jobs/Run","job":${id},"decision":"allowed"`));
  await api.stop({ id, graceMs: 0n });
});

async function collected(events: AsyncIterable<RunEvent>, seen: (text: string) => Promise<void> = async () => {}) {
  let [text, id, job]: [string, bigint, JobInfo | null] = ["", 0n, null];
  for await (const event of events) {
    if ("started" in event) {
      assert.is(id, 0n, "told once");
      id = event.started;
    } else if ("output" in event) {
      assert.is(Number(event.output.offset), text.length);
      text += event.output.bytes;
      await seen(text);
    } else job = event.ended;
  }
  return { text, id, job };
}

test("the client library goes on over a server that is killed, at its byte and to the end", root, async () => {
  await using server = await TestServer.start();
  using podium = server.connect("alice");
  const cmd = "i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo line $i; sleep 0.03; done; exit 5";
  let killed = false;
  const run = (options?: RunOptions) => runJob(podium, StartRequest.create({ cmd }), options);
  const { text, id, job } = await collected(run(), async (so) => {
    if (killed || so.length < 150) return;
    killed = true;
    await server.kill();
    await server.start();
  });
  assert.ok(killed);
  assert.is(text, Array.from({ length: 60 }, (_, n) => `line ${n + 1}\n`).join(""));
  assert.equal([job?.id, job?.outcome?.exitCode], [id, 5]);
  const silent = await collected(run({ output: false }));
  assert.equal([silent.text, silent.job?.outcome?.exitCode], ["", 5]);
  assert.equal(silent.job, await waitForJob(podium, silent.id));
});
