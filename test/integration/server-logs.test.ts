import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import { LogStream } from "../../src/gen/podium.ts";
import { measured } from "../support/measured.ts";
import { requires, suite } from "../support/suite.ts";
import { failureOf } from "../support/tls-peers.ts";
import { collect } from "./api-client.ts";
import { cpuSeconds, LiveServer, until } from "./live-server.ts";

const test = suite("log streams");
const root = requires("root", "libseccomp");

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

test("S01 readers attached before, during and after the job get the same full output", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const starting = api.startId("seq 1 30000; sleep 0.3; seq 30001 60000; echo err >&2; sleep 0.2; echo -n end");
  const id = await starting;
  const early = [api.output({ id }), server.api().output({ id })];
  await sleep(350);
  const middle = api.output({ id });
  const half = api.output({ id, stdoutOffset: 100_000n });
  await api.wait(id);
  const late = await api.output({ id });
  const file = readFileSync(join(server.data, "jobs", String(id), "stdout"));
  assert.match(String(file), /^1\n2\n[\d\n]*\n60000\nend$/);
  for (const output of [...(await Promise.all([...early, middle])), late]) {
    assert.is(sha256(output.stdout), sha256(file));
    assert.is(String(output.stderr), "err\n");
  }
  assert.is(sha256((await half).stdout), sha256(file.subarray(100_000)));
});

test(
  "S02 binary output arrives byte for byte: NUL, invalid UTF-8, lone CR, single bytes, 64 MiB without newline",
  root,
  async () => {
    await using server = await LiveServer.start();
    const api = server.api();
    const program = `import os, time
every = bytes(range(256)) * 3 + b"\\r\\xff\\xfe\\x00\\xed\\xa0\\x80\\xf5\\xc3"
for byte in every: os.write(1, bytes([byte]))
time.sleep(0.05)
line = bytes(range(11, 256)) * 1000
left = 64 << 20
while left > 0:
  left -= os.write(1, line[:left])
os.write(2, every)
os.write(1, b"\\xe2\\x82")
`;
    const id = await api.startId({ argv: ["python3", "-c", program] });
    const { stdout, stderr } = await api.output({ id });
    const every = Buffer.concat([...Array(3).fill(Buffer.from(Array.from({ length: 256 }, (_, n) => n)))] as Buffer[]);
    const odd = Buffer.from("\r\xff\xfe\x00\xed\xa0\x80\xf5\xc3", "latin1");
    assert.is(stdout.length, every.length + odd.length + (64 << 20) + 2);
    assert.ok(stderr.equals(Buffer.concat([every, odd])));
    assert.ok(stdout.subarray(0, stderr.length).equals(stderr));
    assert.ok(stdout.subarray(-2).equals(Buffer.from([0xe2, 0x82])));
    assert.is(sha256(stdout), sha256(readFileSync(join(server.data, "jobs", String(id), "stdout"))));
  },
);

test("S04 a last line without newline and output from just before the end arrive", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  for (let i = 0; i < 30; i++) {
    const id = await api.startId(`printf 'first\\nlast ${i}'; printf 'error ${i}' >&2`);
    const { stdout, stderr } = await api.output({ id });
    assert.is(String(stdout), `first\nlast ${i}`);
    assert.is(String(stderr), `error ${i}`);
  }
  const id = await api.startId("head -c 200000 /dev/zero; kill -9 $$");
  assert.is((await api.output({ id })).stdout.length, 200_000);
});

test("S07 stdout and stderr are never mixed up, and each can be had alone", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const id = await api.startId("for i in $(seq 2000); do echo out $i; echo err $i >&2; done");
  const expected = (name: string) => Array.from({ length: 2000 }, (_, n) => `${name} ${n + 1}\n`).join("");
  const both = await api.output({ id });
  assert.is(String(both.stdout), expected("out"));
  assert.is(String(both.stderr), expected("err"));
  const out = await api.output({ id, stream: LogStream.STDOUT });
  assert.equal([String(out.stdout), out.stderr.length], [expected("out"), 0]);
  const err = await api.output({ id, stream: LogStream.STDERR });
  assert.equal([out.stdout.length, String(err.stderr)], [expected("out").length, expected("err")]);
  const refusal = await failureOf(collect(api.log({ id, stream: "NOSUCH" as never })));
  assert.is(refusal.code, status.INVALID_ARGUMENT);
});

test("S08 an idle follow uses no CPU, and a write reaches the client within 50 ms", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const quiet = await api.startId("sleep 1000");
  const idle = Array.from({ length: 20 }, () => api.log({ id: quiet }));
  for (const stream of idle) stream.resume();
  await sleep(1500);
  const idleMinute = async () => {
    const [before, from] = [cpuSeconds(server.pid), performance.now()];
    await sleep(6000);
    const used = ((cpuSeconds(server.pid) - before) * 60_000) / (performance.now() - from);
    console.log(`20 idle followers: ${used.toFixed(2)} s of cpu time in 60 s, ${(used / 20).toFixed(3)} s each`);
    return used;
  };
  const perMinute = await measured(idleMinute, (used) => used < 1.2, { times: 3 });
  assert.ok(perMinute < 1.2, `${perMinute} s of cpu time in 60 s`);
  for (const stream of idle) stream.cancel();

  const job = ["python3", "-uc", "import time\nfor i in range(60): print(time.time(), flush=True); time.sleep(0.03)"];
  const medianDelay = async () => {
    const delays: number[] = [];
    for await (const { response } of api.log({ id: await api.startId({ argv: job }) })) {
      const written = Number(
        String(response?.$case === "success" ? response.value.stdout : "")
          .split("\n")
          .at(-2),
      );
      delays.push(Date.now() - written * 1000);
    }
    const middle = delays.sort((a, b) => a - b)[Math.floor(delays.length / 2)] ?? Number.NaN;
    console.log(`from write to client: median ${middle.toFixed(1)} ms of ${delays.length}`);
    return delays.length > 30 ? middle : Number.POSITIVE_INFINITY; // else it comes in lumps
  };
  const median = await measured(medianDelay, (ms) => ms < 50);
  assert.ok(median < 50, `median ${median} ms`);
});

test("S10 a job cannot open its own job folder", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const folder = join(server.data, "jobs");
  const look = `ls ${folder} || echo hidden; for p in /proc/[0-9]*; do ls -l $p/fd $p/root/ $p/cwd/ 2>/dev/null; done; cat /proc/self/mountinfo`;
  const { stdout } = await api.output({ id: await api.startId(look) });
  assert.match(String(stdout), /^hidden\n/);
  assert.not.match(String(stdout).replace(/^hidden\n/, ""), new RegExp(server.data));
});

test("a snapshot of a job that floods ends at the size of its beginning, a cut character with it", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const flood = await api.startId("yes | head -c 300M; sleep 1000");
  await until("a flood", () => statSync(join(server.data, "jobs", String(flood), "stdout")).size > 1 << 20);
  const { stdout } = await api.output({ id: flood, snapshot: true });
  await api.stop({ id: flood, graceMs: 0n });
  assert.ok(stdout.length > 1 << 20);
  const cut = await api.startId("printf '\\342\\202'; sleep 1000");
  await until("the bytes", () => statSync(join(server.data, "jobs", String(cut), "stdout")).size === 2);
  assert.equal((await api.output({ id: cut, snapshot: true })).stdout, Buffer.from([0xe2, 0x82]));
});

test("F18 the jobs folder is closed to other users of the host", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const id = await api.startId("echo secret");
  await api.wait(id);
  const folder = join(server.data, "jobs", String(id));
  const modeOf = (path: string) => statSync(path).mode & 0o7777;
  for (const path of [server.data, join(server.data, "jobs"), folder]) assert.is(modeOf(path), 0o700, path);
  for (const name of readdirSync(folder)) assert.is(modeOf(join(folder, name)) & 0o077, 0, name);
  for (const name of ["state", "stdout", "stderr", "pid"]) assert.ok(readdirSync(folder).includes(name), name);
  writeFileSync(join(server.data, "probe"), "");
});
