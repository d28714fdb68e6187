// `podium logs` against a real server.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("podium logs");
const root = requires("root", "libseccomp");

test("each stream to its own, one of them to stdout, from an offset, the last lines", root, async () => {
  await using server = await TestServer.start();
  const script = "printf 'one\\ntwo\\nthree\\nlast'; printf 'first\\nsecond\\n' >&2";
  await server.podium("alice", ["run", "--name", "it", "--", "sh", "-c", script]);
  const logs = async (...args: string[]) => {
    const { code, stdout, stderr } = await server.podium("alice", ["logs", "it", ...args]);
    return [code, stdout, stderr];
  };
  for (const follow of [[], ["-f"]]) {
    assert.equal(await logs(...follow), [0, "one\ntwo\nthree\nlast", "first\nsecond\n"]);
    assert.equal(await logs(...follow, "--stream", "stdout"), [0, "one\ntwo\nthree\nlast", ""]);
    assert.equal(await logs(...follow, "--stream", "stderr"), [0, "first\nsecond\n", ""]);
    assert.equal(await logs(...follow, "--stream", "stdout", "--offset", "8"), [0, "three\nlast", ""]);
    assert.equal(await logs(...follow, "--offset", "6"), [0, "o\nthree\nlast", "second\n".replace("s", "s")]);
    assert.equal(await logs(...follow, "-n", "1"), [0, "last", "second\n"]);
    assert.equal(await logs(...follow, "-n", "2", "--stream", "stdout"), [0, "three\nlast", ""]);
    assert.equal(await logs(...follow, "-n", "0"), [0, "", ""]);
    assert.equal(await logs(...follow, "-n", "99"), [0, "one\ntwo\nthree\nlast", "first\nsecond\n"]);
    assert.equal(await logs(...follow, "--offset", "1000"), [0, "", ""]);
  }
});

test("without -f it prints what there is and ends; with -f it follows to the end of the job", root, async () => {
  await using server = await TestServer.start();
  // It goes on when all have read as much as there was for them.
  const script = "echo one; until [ -e /tmp/go ]; do sleep 0.3; echo tick; done; echo two; echo err >&2";
  await server.podium("alice", ["start", "--", "sh", "-c", script]);
  const followers = [[], ["-n", "0"], ["-n", "1"]].map((args) => server.cli("alice", ["logs", "-f", "1", ...args]));
  await Promise.all(followers.map((follower) => follower.sees("tick\n")));
  const now = await server.podium("alice", ["logs", "1"]);
  assert.equal([now.code, now.stderr], [0, ""]);
  assert.match(now.stdout, /^one\n(tick\n)+$/);
  assert.is((await server.podium("alice", ["exec", "1", "touch", "/tmp/go"])).code, 0);
  const [whole, fresh, last] = await Promise.all(followers.map(({ ended }) => ended));
  const text = String(whole?.stdout);
  assert.equal([whole?.code, whole?.stderr], [0, "err\n"]);
  assert.match(text, /^one\n(tick\n)+two\n$/);
  assert.ok(text.startsWith(now.stdout));
  assert.equal([text.endsWith(`\n${fresh?.stdout}`), fresh?.stderr], [true, "err\n"]);
  assert.match(String(last?.stdout), /^(one\n)?(tick\n)+two\n$/);
  assert.ok(text.endsWith(String(last?.stdout)));
});

test("a reader that has seen enough ends it without a word", root, async () => {
  await using server = await TestServer.start();
  await server
    .podium("alice", ["run", "--", "head", "-c", "5000000", "/dev/zero"])
    .then(({ code }) => assert.is(code, 0));
  for (const args of [
    ["logs", "1"],
    ["logs", "-f", "1"],
  ]) {
    const reader = server.cli("alice", args);
    reader.child.stdout?.once("data", () => reader.child.stdout?.destroy());
    const { code, stderr } = await reader.ended;
    assert.equal([code, stderr], [0, ""]);
  }
});

test("S11 -t, --since and --until; both streams in the order they were written", root, async () => {
  await using server = await TestServer.start();
  // Each waits for a word, which is given when the one before has been written down: their times and their order are certain.
  const script = "echo one; read x; echo two >&2; read x; printf thr; read x; echo ee; echo four";
  const run = server.cli("alice", ["run", "-i", "--", "sh", "-c", script]);
  for (const text of ["one\n", "two\n", "thr"]) {
    const written = () => ["stdout", "stderr"].map((name) => readFileSync(join(server.data, "jobs/1", name), "utf8"));
    await until(text, () => existsSync(join(server.data, "jobs/1/stderr")) && written().join().includes(text));
    await sleep(50); // else it may be of the same burst
    run.child.stdin?.write("go on\n");
  }
  assert.is((await run.ended).code, 0);
  const both = await server.cli("alice", ["logs", "1"], { input: "" }).ended;
  assert.is(String(both.stdout), "one\nthree\nfour\n");
  const timed = await server.podium("alice", ["logs", "-t", "1"]);
  const line = (text: string) => `\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z ${text}\n`;
  assert.match(timed.stdout, new RegExp(`^${line("one")}${line("three")}${line("four")}$`));
  assert.match(timed.stderr, new RegExp(`^${line("two")}$`));
  const [first = "", second = ""] = timed.stdout.split("\n").map((text) => text.slice(0, 24));
  const logs = async (...args: string[]) =>
    (await server.podium("alice", ["logs", "1", "--stream", "stdout", ...args])).stdout;
  assert.is(await logs("--since", second), "three\nfour\n");
  assert.is(await logs("--until", first), "one\n");
  assert.is(await logs("--since", "1h", "--until", "0s", "-n", "1"), "four\n");
  assert.is(await logs("-f", "--since", "1h"), "one\nthree\nfour\n");
  assert.is(await logs("--until", "1h"), "");
  assert.is(await logs("--until", "2020-01-01"), "");
  const wrong = await server.podium("alice", ["logs", "1", "--since", "yesterday"]);
  assert.equal([wrong.code, wrong.stdout], [125, ""]);
  assert.match(wrong.stderr, /"yesterday" is neither a duration nor a time/);
});
