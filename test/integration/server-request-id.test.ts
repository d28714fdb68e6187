// Starts that may be repeated: with a request id, whatever happens between, a job is started once.
import { connect as connectTcp, createServer, type Socket } from "node:net";
import * as assert from "uvu/assert";
import { Cause, FailureCode, type StartRequest } from "../../src/gen/podium.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { failureOf } from "../support/tls-peers.ts";
import { LiveServer } from "./live-server.ts";

const test = suite("repeated starts");
const root = requires("root", "libseccomp");

test("L20 a retry with the same request id gets the same job, at once, later, and after restarts", root, async () => {
  await using server = await LiveServer.start();
  const request: Partial<StartRequest> = { cmd: "sleep 1000", requestId: "retry-1" };
  const api = server.api();
  const ids = await Promise.all(Array.from({ length: 10 }, () => api.startId(request)));
  assert.equal(new Set(ids).size, 1, "duplicates beside each other");
  const [id = 0n] = ids;
  assert.is(await server.api().startId(request), id, "from another connection");
  const before = await api.info(id);
  assert.is(before.requestId, "retry-1");
  for (const end of ["stop", "kill"] as const) {
    await server[end]();
    await server.restart();
    assert.is(await server.api().startId(request), id, `after ${end}`);
  }
  const again = server.api();
  assert.equal(
    (await again.list(true)).map((job) => [job.id, job.pid]),
    [[id, before.pid]],
    "it was started once",
  );
  await again.stop({ id, graceMs: 0n });
  assert.is(await again.startId(request), id, "also when it has ended");
  await again.remove(id);
  assert.ok((await again.startId(request)) > id, "the id lives as long as the job");
});

test("L20 a start that failed is answered the same again", root, async () => {
  await using server = await LiveServer.start();
  const request = { argv: ["/nonexistent"], requestId: "fails" };
  const first = await server.api().start(request);
  assert.ok(first.response?.$case === "failure");
  assert.is(first.response.value.code, FailureCode.START_FAILED);
  assert.equal(await server.api().start(request), first);
  await server.stop();
  await server.restart();
  const api = server.api();
  assert.equal(await api.start(request), first);
  assert.equal(
    (await api.list(true)).map(({ outcome }) => outcome?.cause),
    [Cause.START_FAILED],
  );
});

test("L20 the id of another request is refused clearly, another user's is another id", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const id = await api.startId({ cmd: "true", requestId: "mine" });
  const { response } = await api.start({ cmd: "false", requestId: "mine" });
  assert.ok(response?.$case === "failure");
  assert.equal([response.value.code, response.value.id], [FailureCode.REQUEST_ID_TAKEN, id]);
  assert.match(response.value.msg, /"mine" belongs to job 1, which another request started/);
  assert.ok((await server.api("bob").startId({ cmd: "false", requestId: "mine" })) !== id);
  const failed = { argv: ["true"], requestId: "later", cwd: "relative" };
  assert.match((await failureOf(api.start(failed))).details, /^cwd: /);
  assert.ok((await api.startId({ ...failed, cwd: "/" })) > id, "a refused request has taken no id");
  for (const requestId of ["two words", "line\n", "x".repeat(129), "ä"]) {
    assert.match((await failureOf(api.start({ cmd: "true", requestId }))).details, /^request_id: is not an id/);
  }
});

/** Passes connections on; `cut` drops the answers of the first Start, with its connection. */
async function relay(
  port: number,
  cutAfterBytes: number,
): Promise<{ port: number; cuts: () => number; close: () => void }> {
  let cuts = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connectTcp(port, "127.0.0.1");
    let sent = 0;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => [client, upstream].map((other) => other.destroy()));
    }
    client.on("data", (bytes) => {
      sent += bytes.length;
      upstream.write(bytes);
      if (cuts > 0 || sent < cutAfterBytes) return;
      cuts++;
      upstream.pause(); // the server hears the whole request, the client no answer
      setTimeout(() => client.destroy(), 300);
    });
    upstream.on("data", (bytes) => client.write(bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { port: (server.address() as { port: number }).port, cuts: () => cuts, close };
}

test("L20 podium run whose connection is lost during Start asks again and runs the job once", root, async () => {
  await using server = await TestServer.start();
  const long = "x".repeat(20_000); // the request alone is longer than all of the handshake
  const between = await relay(server.port, long.length);
  try {
    const args = [
      "run",
      "--server",
      `127.0.0.1:${between.port}`,
      "-e",
      `LONG=${long}`,
      "--",
      "sh",
      "-c",
      "printenv LONG | wc -c",
    ];
    const { code, stdout, stderr } = await server.podium("alice", args);
    assert.equal([code, stdout, stderr], [0, "20001\n", ""]);
    assert.is(between.cuts(), 1);
    const { stdout: jobs } = await server.podium("alice", ["ps", "-a", "-o", "json"]);
    assert.is(JSON.parse(jobs).length, 1);
  } finally {
    between.close();
  }
});

test("L20 --request-id makes the same command print the same id", root, async () => {
  await using server = await TestServer.start();
  const start = (...rest: string[]) => server.podium("alice", ["start", "--request-id", "nightly-7", "--", ...rest]);
  assert.equal([(await start("true")).stdout, (await start("true")).stdout], ["1\n", "1\n"]);
  const other = await start("false");
  assert.equal([other.code, other.stdout], [125, ""]);
  assert.match(other.stderr, /^podium: request_id: "nightly-7" belongs to job 1/);
});
