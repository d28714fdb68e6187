// How client commands find their server, and what they do when they lose it.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { followLogs } from "../../src/client/logs.ts";
import { ConnectionLost } from "../../src/client/resume.ts";
import { startJob } from "../../src/client/start.ts";
import { StartRequest } from "../../src/gen/podium.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("the connection of client commands");
const root = requires("root", "libseccomp");
/** It counts on until somebody makes the file in it, and for a while at least. */
const counting =
  "i=0; until [ $i -ge 30 ] && [ -e /tmp/over ]; do echo $i; echo e$i >&2; i=$((i+1)); sleep 0.1; done; exit 3";

for (const end of ["stop", "kill"] as const) {
  test(`run and logs -f go on at the byte they were at when the server comes back after its ${end}`, root, async () => {
    await using server = await TestServer.start();
    const run = server.cli("alice", ["run", "--", "sh", "-c", counting]);
    await run.sees("1\n");
    const logs = server.cli("alice", ["logs", "-f", "-n", "1", "1"]);
    await logs.sees("3\n");
    await server[end]();
    await sleep(500);
    await server.start();
    assert.is((await server.podium("alice", ["exec", "1", "touch", "/tmp/over"])).code, 0);
    const { code, stdout, stderr } = await run.ended;
    const numbers = Array.from({ length: stdout.toString().split("\n").length - 1 }, (_, i) => i);
    assert.ok(numbers.length >= 30);
    assert.is(stdout.toString(), numbers.map((i) => `${i}\n`).join(""));
    assert.is(stderr, numbers.map((i) => `e${i}\n`).join(""));
    assert.is(code, 3);
    const tail = (await logs.ended).stdout.toString();
    assert.ok(stdout.toString().endsWith(tail) && tail.length > 20, tail);
  });
}

test("a connection that does not come back ends run with 125 and names the way back", root, async () => {
  await using server = await TestServer.start();
  const run = server.cli("alice", ["run", "--", "sh", "-c", "echo on; sleep 100"]);
  await run.sees("on\n");
  const start = performance.now();
  await server.kill();
  const { code, stderr } = await run.ended;
  assert.is(code, 125);
  assert.is(
    stderr,
    `podium: job 1: the connection to ${server.address} was lost: cannot connect to ${server.address}: nothing listens there\n` +
      "  to see how it goes on: podium logs -f 1\n",
  );
  const seconds = (performance.now() - start) / 1000;
  assert.ok(seconds > 25 && seconds < 100, `it took ${seconds} s`);
});

test("the library gives up after its own patience, and at once when told to stop", root, async () => {
  await using server = await TestServer.start();
  using podium = server.connect("alice", 300);
  const id = await startJob(podium, StartRequest.create({ argv: ["sh", "-c", "echo on; sleep 100"] }));
  const leave = new AbortController();
  const read = async (signal?: AbortSignal) => {
    for await (const { bytes } of followLogs(podium, id, {}, signal))
      if (signal !== undefined) leave.abort(String(bytes));
  };
  assert.is(await read(leave.signal).catch((reason) => reason), "on\n");
  const reading = read().catch((error) => error);
  await sleep(200);
  await server.kill();
  assert.instance(await reading, ConnectionLost);
});

test("a server that is not there is told at once, by every command", root, async () => {
  await using server = await TestServer.start();
  await server.podium("alice", ["run", "true"]);
  await server.stop();
  for (const args of [
    ["run", "true"],
    ["start", "true"],
    ["ps"],
    ["logs", "-f", "1"],
    ["wait", "1", "2"],
    ["rm", "x"],
  ]) {
    const start = performance.now();
    const { code, stdout, stderr } = await server.podium("alice", args);
    assert.equal([code, stdout], [125, ""]);
    const mend = "check that podium serve runs there and that no firewall is between";
    assert.is(stderr, `podium: cannot connect to ${server.address}: nothing listens there\n  ${mend}\n`);
    assert.ok(performance.now() - start < 20_000, "without the patience of a lost connection");
  }
});

test("the flag wins over the variable, the variable over the file, before the command or after it", root, async () => {
  await using server = await TestServer.start();
  await server.podium("alice", ["start", "--name", "web", "--", "sleep", "100"]);
  using home = temporaryFolder();
  const folder = join(home.path, ".config", "podium");
  mkdirSync(folder, { recursive: true });
  copyFileSync(server.profile("alice"), join(folder, "default.podium"));
  const none = { PODIUM_PROFILE: "", HOME: home.path };
  const found = async (args: string[], env: Record<string, string>) => {
    const { code, stdout, stderr } = await server.podium("alice", [...args, "-o", "json"], {
      env: { ...none, ...env },
    });
    return code === 0 ? JSON.parse(stdout).map((job: { id: number }) => job.id) : stderr;
  };
  assert.equal(await found(["ps"], {}), [1]);
  assert.equal(await found(["ps"], { PODIUM_PROFILE: server.profile("bob") }), []);
  assert.equal(
    await found(["ps", "--profile", server.profile("alice")], { PODIUM_PROFILE: server.profile("bob") }),
    [1],
  );
  assert.equal(await found(["--profile", server.profile("bob"), "ps"], {}), []);
  assert.equal(await found(["--profile", server.profile("bob"), "ps", "--profile", server.profile("alice")], {}), [1]);

  rmSync(join(folder, "default.podium"));
  const file = (name: string) => join(server.certs, name);
  const flags = [
    "--server",
    server.address,
    "--ca",
    file("ca.crt"),
    "--cert",
    file("alice.crt"),
    "--key",
    file("alice.key"),
  ];
  assert.equal(await found(["ps", ...flags], {}), [1]);
  const [address, ca, cert, key] = [flags[1] ?? "", flags[3] ?? "", flags[5] ?? "", flags[7] ?? ""];
  const variables = { PODIUM_SERVER: address, PODIUM_CA: ca, PODIUM_CERT: cert, PODIUM_KEY: key };
  assert.equal(await found(["ps"], variables), [1]);
  const bobs = ["--cert", file("bob.crt"), "--key", file("bob.key")];
  assert.equal(await found(["ps", ...bobs], variables), []);
});

test("missing and mismatched credentials are one clear error each", root, async () => {
  await using server = await TestServer.start();
  const file = (name: string) => join(server.certs, name);
  const errorOf = async (...args: string[]) => {
    const { code, stdout, stderr } = await server.podium("alice", ["ps", ...args]);
    assert.equal([code, stdout], [125, ""]);
    assert.match(stderr, /^podium: [^\n]+\n( {2}[^\n]+\n)?$/);
    return stderr;
  };
  server.profile("bob");
  assert.match(await errorOf("--cert", "/no/such.crt"), /\/no\/such\.crt/);
  assert.match(await errorOf("--key", file("bob.key")), /bob\.key.*alice|alice.*bob\.key/s);
  assert.match(await errorOf("--profile", "/no/such.podium"), /\/no\/such\.podium/);
  assert.match(await errorOf("--server", "nonsense"), /not HOST:PORT/);
  writeFileSync(file("broken.podium"), readFileSync(server.profile("alice"), "utf8").slice(0, 50));
  assert.match(await errorOf("--profile", file("broken.podium")), /broken\.podium: not a profile/);
  const certs = await server.podium("alice", ["--server", "a:1", "certs", "list", "--dir", server.certs]);
  assert.is(certs.stderr, "podium: --server: podium certs connects to no server\n  leave it out\n");
});
