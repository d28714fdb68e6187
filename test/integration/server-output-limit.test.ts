// The limit on output, from the command line and over the API.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { Cause, LogRequest } from "../../src/gen/podium.ts";
import { runSandbox, startSandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { LiveServer, residentMiB, until } from "./live-server.ts";

const test = suite("limit on output");
const root = requires("root", "libseccomp");
const mebibyte = 1 << 20;

/** Bytes on the disk. */
function allocated(path: string): number {
  return statSync(path).blocks * 512;
}

test(
  "S09 a runaway `yes` fills neither disk nor memory; head, gap and tail reconstruct what it wrote",
  root,
  async () => {
    await using server = await LiveServer.start();
    const api = server.api();
    const id = await api.startId({ argv: ["yes", "line"], outputLimit: BigInt(4 * mebibyte) });
    const file = join(server.data, "jobs", String(id), "stdout");
    const before = residentMiB(server.pid);
    const following = countedLog(api.log(LogRequest.create({ id })));
    let most = 0;
    await until("a flood", () => {
      most = Math.max(most, allocated(file));
      return statSync(file).size > 400 * mebibyte;
    });
    await api.stop({ id, graceMs: 0n });
    const { size } = statSync(file);
    console.log(`wrote ${size >> 20} MiB, at most ${(most / mebibyte).toFixed(1)} MiB on the disk`);
    assert.ok(most < 7 * mebibyte, `${most} bytes on the disk`);
    assert.ok(allocated(file) <= 4.2 * mebibyte);
    assert.ok(residentMiB(server.pid) - before < 120);
    const live = await following;
    assert.is(live.bytes + live.gaps, size);
    assert.ok(live.gaps > 0 || live.bytes === size);
    const after = await countedLog(api.log(LogRequest.create({ id })));
    assert.equal([after.bytes, after.gaps], [4 * mebibyte, size - 4 * mebibyte]);
    assert.ok(after.wrong === 0 && live.wrong === 0, "every byte is the one that was written there");
  },
);

/** What a stream of `yes line` is made of. */
async function countedLog(stream: AsyncIterable<import("../../src/gen/podium.ts").LogResponse>) {
  const pattern = Buffer.from("line\n".repeat(20_000));
  const total = { bytes: 0, gaps: 0, wrong: 0 };
  for await (const { response } of stream) {
    if (response?.$case !== "success") throw new Error("no output");
    const { stdout, offset, gap } = response.value;
    total.gaps += Number(gap);
    assert.is(Number(offset), total.bytes + total.gaps);
    total.bytes += stdout.length;
    const from = Number(offset % 5n);
    if (!stdout.equals(pattern.subarray(from, from + stdout.length))) total.wrong++;
  }
  return total;
}

test(
  "S09 with :kill the job ends at its limit, cause OUTPUT_LIMIT and exit code 137, exactly that much kept",
  root,
  async () => {
    await using server = await TestServer.start();
    const run = (limit: string, script: string) =>
      server.podium("alice", ["run", "--output-limit", limit, "--", "sh", "-c", script]);
    const flood = await run("1M:kill", "trap '' TERM PIPE; yes >&2; sleep 1000");
    assert.equal([flood.code, flood.stdout], [137, ""]);
    const told = "podium: job 1: OUTPUT_LIMIT: wrote more than its output limit of 1M to stderr\n";
    assert.ok(flood.stderr.endsWith(told), flood.stderr.slice(-200));
    assert.is(flood.stderr.length, mebibyte + told.length);
    const fits = await run("6:kill", "echo hello; exit 3");
    assert.equal([fits.code, fits.stdout, fits.stderr], [3, "hello\n", ""]);
    const late = await run("5:kill", "echo hello");
    assert.equal([late.code, late.stdout], [137, "hello"]);
    const { stdout } = await server.podium("alice", ["status", "1", "-o", "json"]);
    const { outcome, state, limits } = JSON.parse(stdout);
    assert.equal(
      [outcome.cause, state, limits.outputBytes, limits.outputKill],
      [Cause.OUTPUT_LIMIT, "FAILED", mebibyte, true],
    );
  },
);

test(
  "the command line tells of a gap on stderr, where it is; the last lines and offsets step over it",
  root,
  async () => {
    await using server = await TestServer.start();
    await server.podium("alice", ["start", "--output-limit", "100", "--", "sh", "-c", "seq 1 200000; exec sleep 1000"]);
    await until("all of it", () => readdirSync(join(server.data, "jobs/1")).includes("stdout.gap"));
    await server.podium("alice", ["stop", "1"]);
    const size = statSync(join(server.data, "jobs/1/stdout")).size;
    const logs = await server.podium("alice", ["logs", "1"]);
    assert.match(logs.stdout, /^1\n2\n[\d\n]*199999\n200000\n$/);
    assert.is(logs.stdout.length, 100);
    assert.is(
      logs.stderr,
      `podium: job 1: stdout: ${size - 100} bytes, up to byte ${size - 50}, were freed by its output limit\n`,
    );
    assert.is((await server.podium("alice", ["logs", "1", "-n", "2"])).stdout, "199999\n200000\n");
    const resumed = await server.podium("alice", ["logs", "1", "--offset", String(size - 60)]);
    assert.is(resumed.stdout.length, 50);
    assert.match(resumed.stderr, / 10 bytes, up to byte/);
  },
);

test("the configuration's default holds for jobs that ask for nothing, and its bound refuses more", root, async () => {
  await using server = await TestServer.start({
    config: { defaults: { output: "64K:kill" }, maximum: { output: "1M" } },
  });
  const flood = await server.podium("alice", ["run", "--", "yes"]);
  assert.is(flood.code, 137);
  assert.match(flood.stderr, /OUTPUT_LIMIT: wrote more than its output limit of 64K to stdout/);
  const refused = await server.podium("alice", ["run", "--output-limit", "2M", "--", "true"]);
  assert.is(refused.code, 125);
  assert.match(refused.stderr, /output_limit: 2097152 is above this server's bound; ask for at most 1048576/);
  const { stderr } = await server.podium("alice", ["run", "--output-limit", "1M:stop", "--", "true"]);
  assert.match(stderr, /is not a limit on output; write it like 64M or 64M:kill/);
});

test(
  "S09 podium sandbox ends a job at its limit with :kill; without, head and tail come through",
  requires("root", "libseccomp"),
  async () => {
    const { code, stdout, stderr } = await runSandbox(["--output-limit", "100K:kill", "--", "yes"]);
    assert.equal([code, stdout.length], [137, 100 << 10]);
    assert.is(stderr, "podium: OUTPUT_LIMIT: wrote more than its output limit of 100K to stdout\n");
    const kept = await runSandbox(["--output-limit", "100K", "--", "sh", "-c", "seq 1 400000; echo whole >&2; exit 3"]);
    const all = Array.from({ length: 400_000 }, (_, n) => `${n + 1}\n`).join("");
    assert.is(kept.code, 3);
    assert.ok(kept.stdout === all.slice(0, 50 << 10) + all.slice(-50 << 10), "its first and its last 50 KiB");
    assert.ok(kept.stderr.includes("whole\n"));
    const dropped = all.length - (100 << 10);
    assert.ok(kept.stderr.includes(`podium: stdout: ${dropped} bytes were left out here by its output limit\n`));
    const seen = startSandbox(["--output-limit", "1M", "--", "yes"], { input: "" });
    seen.child.stdout?.once("data", () => seen.child.stdout?.destroy());
    assert.is((await seen.ended).code, 141, "its reader has gone, and it ends as in a pipe");
  },
);

test("S09 a limited job goes on under a killed server, its limit too", root, async () => {
  await using server = await LiveServer.start();
  const id = await server.api().startId({ argv: ["yes"], outputLimit: BigInt(mebibyte) });
  const file = join(server.data, "jobs", String(id), "stdout");
  await server.kill();
  const { size } = statSync(file);
  await until("it writes on", () => statSync(file).size > size + 50 * mebibyte);
  assert.ok(allocated(file) < 2 * mebibyte);
  assert.match(readFileSync(`${file}.gap`, "utf8"), /^ *524288 /);
  await server.restart();
  await server.api().stop({ id, graceMs: 0n });
});
