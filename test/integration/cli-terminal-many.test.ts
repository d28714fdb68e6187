// Many short `podium run -t` in terminals of their own: what a command writes in its last moment arrives whole.
import * as assert from "uvu/assert";
import { podiumScript, startProgram } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("podium run -t, many at once", { testSeconds: 600, timeoutSeconds: 1500 });
const needs = requires("root", "libseccomp");

/** Runs each command of argv[2] (JSON) in a pty of its own, argv[1] at a time; prints [status, text] of each, as JSON. */
const inTerminals = `
import json, os, pty, select, sys
waiting = list(enumerate(json.loads(sys.argv[2])))
ended = [None] * len(waiting)
running = {}
while waiting or running:
    while waiting and len(running) < int(sys.argv[1]):
        i, argv = waiting.pop(0)
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(argv[0], argv)
        running[fd] = (i, pid, [])
    for fd in select.select(list(running), [], [])[0]:
        i, pid, pieces = running[fd]
        try:
            piece = os.read(fd, 65536)
        except OSError:
            piece = b""
        pieces.append(piece)
        if piece == b"":
            os.close(fd)
            del running[fd]
            ended[i] = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), b"".join(pieces).decode()]
print(json.dumps(ended))
`;

async function runInTerminals(server: TestServer, atOnce: number, commands: readonly (readonly string[])[]) {
  const argvs = commands.map((command) => [podiumScript, "run", "-t", "--", ...command]);
  const env = { PODIUM_PROFILE: server.profile("alice"), TERM: "xterm" };
  const args = ["-c", inTerminals, String(atOnce), JSON.stringify(argvs)];
  const { code, stdout, stderr } = await startProgram("python3", args, { env, input: "" }).ended;
  assert.is(code, 0, stderr);
  return JSON.parse(stdout.toString()) as [number, string][];
}

test("not a byte of 200 short commands is lost, eight in flight, nor of a flood that ends at once", needs, async () => {
  await using server = await TestServer.start();
  const words = Array.from({ length: 200 }, (_, i) => `x${i}`);
  const commands = words.map((word) => ["echo", word]);
  const ended = await runInTerminals(server, 8, [["seq", "100000"], ...commands]);
  const numbers = Array.from({ length: 100_000 }, (_, i) => `${i + 1}\r\n`).join("");
  const flood = ended.shift();
  assert.ok(flood?.[0] === 0 && flood[1] === numbers, `${flood?.[0]}: ${flood?.[1].length} of ${numbers.length} bytes`);
  assert.equal(
    ended,
    words.map((word) => [0, `${word}\r\n`]),
  );
});
