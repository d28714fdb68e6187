// The end of a server on SIGTERM: it accepts nothing more, streams are told to come again, jobs run on or are stopped.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { followLogs } from "../../src/client/logs.ts";
import { startJob } from "../../src/client/start.ts";
import { Cause, StartRequest, State } from "../../src/gen/podium.ts";
import { groupsOf } from "../integration/job-traces.ts";
import { LiveServer, until } from "../integration/live-server.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("the end of a server");
const root = requires("root", "libseccomp");

test(
  "S06 a follower, a wait and a run go on by themselves over the end of one server and the start of the next",
  root,
  async () => {
    await using server = await TestServer.start();
    const script =
      "i=0; until [ $i -ge 20 ] && [ -e /tmp/over ]; do i=$((i+1)); echo $i; echo e$i >&2; sleep 0.15; done; exit 7";
    const run = server.cli("alice", ["run", "--", "sh", "-c", script], { input: "" });
    await run.sees("3\n");
    const others = [
      ["logs", "-f", "1"],
      ["wait", "1"],
      ["logs", "-f", "-n", "2", "--since", "1h", "1"],
    ].map((args) => server.cli("alice", args, { input: "" }));
    await others[0]?.sees("3\n");
    await others[2]?.sees("\n");
    await server.stop();
    await sleep(200);
    await server.start();
    assert.is((await server.podium("alice", ["exec", "1", "touch", "/tmp/over"])).code, 0);
    const ran = await run.ended;
    const numbers = Array.from({ length: String(ran.stdout).split("\n").length - 1 }, (_, n) => `${n + 1}\n`);
    assert.ok(numbers.length >= 20);
    const errors = numbers.map((line) => `e${line}`).join("");
    assert.equal([ran.code, String(ran.stdout), ran.stderr], [7, numbers.join(""), errors]);
    const [logs, wait, tail] = await Promise.all(others.map(({ ended }) => ended));
    assert.equal([logs?.code, String(logs?.stdout), logs?.stderr], [0, numbers.join(""), errors]);
    assert.is(wait?.code, 7);
    const tailed = String(tail?.stdout).split("\n");
    assert.equal(
      tailed.slice(0, -1),
      numbers.slice(Number(tailed[0]) - 1).map((line) => line.trim()),
    );
  },
);

test(
  "S06 the client library resumes at its byte over a server that is killed, and over both ends at once",
  root,
  async () => {
    await using server = await TestServer.start();
    using podium = server.connect("alice");
    const cmd = "i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo line $i; sleep 0.03; done";
    const id = await startJob(podium, StartRequest.create({ cmd }));
    let text = "";
    let kills = 0;
    for await (const { stream, bytes, offset } of followLogs(podium, id)) {
      assert.is(stream, "stdout");
      assert.is(Number(offset), text.length);
      text += bytes;
      if (kills < 2 && text.length > (kills + 1) * 150) {
        kills++;
        await server.kill();
        await server.start();
      }
    }
    assert.is(kills, 2);
    assert.is(text, Array.from({ length: 60 }, (_, n) => `line ${n + 1}\n`).join(""));
  },
);

test("with --stop-jobs-on-exit the jobs end with the server, and whoever follows sees their end", root, async () => {
  await using server = await LiveServer.start({ args: ["--stop-jobs-on-exit"] });
  const api = server.api();
  const polite = await api.startId("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done");
  const plain = await api.startId("setsid sleep 1000 & sleep 1000");
  await until("it is ready", () => server.jobFile(polite, "stdout") === "ready\n");
  const [output, waiting] = [api.output({ id: polite }), api.wait(plain)];
  const audit = () => readFileSync(join(server.data, "audit", "audit-000001.ndjson"), "utf8");
  await until("both calls are let in", () => ["Logger/Log", "Jobs/Wait"].every((call) => audit().includes(call)));
  await server.stop();
  assert.is(String((await output).stdout), "ready\nbye\n");
  assert.is((await waiting).state, State.FAILED);
  await server.restart();
  const again = server.api();
  const { outcome } = await again.info(polite);
  assert.equal([outcome?.cause, outcome?.by, outcome?.exitCode], [Cause.STOPPED, "the end of its server", 5]);
  assert.equal(
    [polite, plain].flatMap((id) => groupsOf(server, id)),
    [],
  );
});
