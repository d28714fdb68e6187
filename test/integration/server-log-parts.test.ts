// Which part of a log a request names: offsets, last lines, times, and what follows.
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import { ControlClient } from "../../sandbox/init/client.ts";
import { LogStream } from "../../src/gen/podium.ts";
import { requires, suite } from "../support/suite.ts";
import { failureOf } from "../support/tls-peers.ts";
import { type Api, collect } from "./api-client.ts";
import { LiveServer, until } from "./live-server.ts";

const test = suite("parts of a log");
const root = requires("root", "libseccomp");

async function textOf(api: Api, request: Parameters<Api["output"]>[0]): Promise<string> {
  return String((await api.output(request)).stdout);
}

test("S11 tail, offset, snapshot and follow combine as documented", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const id = await api.startId(
    `trap 'go=1' USR1; seq 1 5; printf six; until [ "$go" ]; do sleep 0.05; done; echo; seq 7 8; sleep 1000`,
  );
  await until("the first lines", () => server.jobFile(id, "stdout") === "1\n2\n3\n4\n5\nsix");
  const now = (request: Parameters<Api["output"]>[0]) => textOf(api, { id, snapshot: true, ...request });
  assert.is(await now({}), "1\n2\n3\n4\n5\nsix");
  assert.is(await now({ tailLines: 0n }), "");
  assert.is(await now({ tailLines: 1n }), "six");
  assert.is(await now({ tailLines: 2n }), "5\nsix");
  assert.is(await now({ tailLines: 6n }), "1\n2\n3\n4\n5\nsix");
  assert.is(await now({ tailLines: 2n ** 63n - 1n }), "1\n2\n3\n4\n5\nsix");
  assert.is(await now({ stdoutOffset: 9n }), "\nsix");
  assert.is(await now({ stdoutOffset: 1_000n }), "");
  const requests = [
    { id, tailLines: 0n },
    { id, tailLines: 1n },
    { id, stdoutOffset: 14n },
  ];
  const streams = requests.map((request) => api.log(request));
  // Those that begin at the present end have found it when the server says where they begin.
  const begun = Promise.all(streams.slice(0, 2).map((stream) => once(stream, "metadata")));
  const following = streams.map(async (stream, i) => String((await collect(stream, requests[i])).stdout));
  await begun;
  process.kill(Number(server.jobFile(id, "pid")), "SIGUSR1");
  await until("the rest", () => server.jobFile(id, "stdout").endsWith("8\n"));
  await api.stop({ id, graceMs: 0n });
  assert.equal(await Promise.all(following), ["\n7\n8\n", "six\n7\n8\n", "7\n8\n"]);
  assert.is(await textOf(api, { id, tailLines: 2n }), "7\n8\n");
  const wrong: [Parameters<Api["output"]>[0], RegExp][] = [
    [{ tailLines: -1n }, /^tail_lines: -1 is not a number of lines/],
    [{ tailLines: 1n, stdoutOffset: 1n }, /^tail_lines: an offset is given too/],
    [{ stdoutOffset: -1n }, /^stdout_offset: -1 is not an offset/],
    [{ stderrOffset: 2n ** 63n - 1n }, /^stderr_offset: /],
  ];
  for (const [request, details] of wrong) {
    const refusal = await failureOf(collect(api.log({ id, ...request })));
    assert.is(refusal.code, status.INVALID_ARGUMENT);
    assert.match(refusal.details, details);
  }
});

test("S11 since, until, tail, order and times of a job's output", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const cmd =
    "echo o1; read x; echo e1 >&2; read x; echo o2; read x; echo e2 >&2; read x; printf 'o3\\no4\\n'; read x; echo o5";
  const id = await api.startId({ cmd, stdin: true });
  const following = ordered(api.log({ id, timestamps: true }));
  // It goes on when what it wrote last has been written down, and a while has passed.
  const control = await ControlClient.connect(join(server.data, "jobs", String(id)));
  for (const text of ["o1", "e1", "o2", "e2", "o4"]) {
    await until(text, () => ["stdout", "stderr"].some((name) => server.jobFile(id, name).includes(text)));
    await sleep(100);
    control.input(Buffer.from("go on\n"));
  }
  control.close();
  await api.wait(id);
  const all = await following;
  assert.equal(all.texts, ["o1\n", "e1\n", "o2\n", "e2\n", "o3\no4\n", "o5\n"]);
  for (const [i, time] of all.times.entries())
    assert.ok(i === 0 || time - (all.times[i - 1] ?? 0) > 50, "times go with the pauses");
  const middle = new Date(((all.times[2] ?? 0) + (all.times[3] ?? 0)) / 2);
  const text = async (request: Parameters<Api["log"]>[0]) =>
    (await ordered(api.log({ id, ...request }))).texts.join("").replaceAll("\n", " ");
  assert.is(await text({}), "o1 e1 o2 e2 o3 o4 o5 ");
  assert.is(await text({ since: middle }), "e2 o3 o4 o5 ");
  assert.is(await text({ until: middle }), "o1 e1 o2 ");
  assert.is(await text({ since: middle, tailLines: 1n }), "e2 o5 ");
  assert.is(await text({ since: middle, tailLines: 9n, stream: LogStream.STDOUT }), "o3 o4 o5 ");
  assert.is(await text({ until: middle, tailLines: 1n }), "e1 o2 ");
  assert.is(await text({ since: new Date(all.times[1] ?? 0), until: middle }), "e1 o2 ");
  assert.is(await text({ sinceAgoMs: 3_600_000n, untilAgoMs: 3_500_000n }), "");
  assert.is(await text({ sinceAgoMs: 0n }), "");
  const begins = api.log({ id, tailLines: 0n, snapshot: true });
  const starts: string[] = [];
  for await (const { response } of begins) {
    if (response?.$case === "success") starts.push(`${response.value.stream} ${response.value.offset}`);
  }
  assert.equal(starts, ["LOG_STREAM_STDOUT 15", "LOG_STREAM_STDERR 6"]);
  for (const request of [{ since: middle, sinceAgoMs: 1n }, { untilAgoMs: -1n }]) {
    assert.is((await failureOf(collect(api.log({ id, ...request })))).code, status.INVALID_ARGUMENT);
  }
});

/** Texts of a log in the order they came, and their times. */
async function ordered(stream: ReturnType<Api["log"]>) {
  const texts: string[] = [];
  const times: number[] = [];
  for await (const { response } of stream) {
    if (response?.$case !== "success") throw new Error("no output");
    const { stdout, stderr, time } = response.value;
    if (stdout.length + stderr.length === 0) continue;
    texts.push(String(stdout.length > 0 ? stdout : stderr));
    times.push(time?.getTime() ?? 0);
  }
  return { texts, times };
}
