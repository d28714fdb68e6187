// `podium logs` against a real server.
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";

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
  const script = "echo one; sleep 1.2; echo two; echo err >&2";
  await server.podium("alice", ["start", "--", "sh", "-c", script]);
  const followers = [[], ["-n", "0"], ["-n", "1"]].map((args) => server.cli("alice", ["logs", "-f", "1", ...args]));
  await sleep(400);
  const now = await server.podium("alice", ["logs", "1"]);
  assert.equal([now.code, now.stdout], [0, "one\n"]);
  const [whole, fresh, last] = await Promise.all(followers.map(({ ended }) => ended));
  assert.equal([whole?.code, String(whole?.stdout), whole?.stderr], [0, "one\ntwo\n", "err\n"]);
  assert.equal([String(fresh?.stdout), fresh?.stderr], ["two\n", "err\n"]);
  assert.equal(String(last?.stdout), "one\ntwo\n");
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
  const script = "echo one; sleep 0.1; echo two >&2; sleep 0.1; printf thr; sleep 0.8; echo ee; echo four";
  await server.podium("alice", ["run", "--", "sh", "-c", script]);
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
