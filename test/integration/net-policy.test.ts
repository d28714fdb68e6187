// Allow and deny lists, the server's own policy, published ports and rates, as the kernel enforces them.
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { NetworkError } from "../../net/errors.ts";
import { namespaceFile } from "../../net/namespaces.ts";
import { probe } from "../../net/probe/client.ts";
import { parseTarget } from "../../net/reachability.ts";
import { measured } from "../support/measured.ts";
import { openNetworks, startJob } from "../support/net-jobs.ts";
import { Peer } from "../support/net-peer.ts";
import { enterWorld, outside, outsidePeer } from "../support/net-world.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("network policy in force");
const needs = requires("root", "nft", "ip", "netadmin");
const { address, other, address6 } = outside;

async function refusal(attempt: Promise<unknown>): Promise<NetworkError> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof NetworkError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

test("allow and deny lists hold for TCP, UDP and ping, and deny wins", needs, async () => {
  enterWorld();
  await using networks = await openNetworks();
  await using _out = await outsidePeer();
  const open = "reachable";
  const table: readonly (readonly [object, Readonly<Record<string, string>>])[] = [
    [{}, { [`${address}:80`]: open, [`${other}:80`]: open, [`${other}:udp`]: open, [`${other}:ping`]: open }],
    [
      { allow: [other] },
      { [`${other}:80`]: open, [`${other}:udp`]: open, [`${other}:ping`]: open, [`${address}:80`]: "" },
    ],
    [
      { allow: [`${other}/24:80`] },
      { [`${other}:80`]: open, [`${other}:udp`]: open, [`${other}:81`]: "", [`${other}:ping`]: "" },
    ],
    [{ allow: ["0.0.0.0/0"] }, { [`${address}:80`]: open, [`${other}:80`]: open, [`[${address6}]:80`]: "" }],
    [{ deny: [other] }, { [`${other}:80`]: "", [`${other}:udp`]: "", [`${other}:ping`]: "", [`${address}:80`]: open }],
    [{ deny: ["0.0.0.0/0"] }, { [`${address}:80`]: "", [`[${address6}]:80`]: open }],
    [{ deny: ["::/0"] }, { [`${address}:80`]: open, [`[${address6}]:80`]: "" }],
    [
      { allow: ["198.51.100.0/24"], deny: [other] },
      { [`${other}:80`]: "", [`${address}:80`]: "" },
    ],
    [{ allow: [other], deny: ["198.51.100.0/24"] }, { [`${other}:80`]: "" }],
    [{ allow: [other, other, "198.51.100.0/24"] }, { [`${other}:80`]: open, [`${address}:80`]: "" }],
    [{ allow: [`[${address6}]:80`] }, { [`[${address6}]:80`]: open, [`[${address6}]:81`]: "", [`${address}:80`]: "" }],
  ];
  for (const [request, expected] of table) {
    await using job = await startJob(networks, request);
    for (const [target, answer] of Object.entries(expected)) {
      const [, bracketed, plain, what = ""] = /^(?:\[(.*)\]|([^:]*)):(.+)$/.exec(target) ?? [];
      const host = bracketed ?? plain ?? "";
      const got = await attempt(job.peer, host, what, answer === open ? patienceMs : silenceMs);
      assert.is(got, answer, `${JSON.stringify(request)} ${target}`);
    }
  }
});

/** So long one waits for an answer that should come, and for one that should not. */
const [patienceMs, silenceMs] = [20_000, 500];

async function attempt(peer: Peer, host: string, what: string, timeoutMs: number): Promise<string> {
  const seen = [outside.host, outside.host6, `::ffff:${outside.host}`];
  if (what === "ping") return (await peer.ping(host, timeoutMs)) === "ok" ? "reachable" : "";
  const got = what === "udp" ? await peer.udp(host, 80, timeoutMs) : await peer.tcp(host, Number(what));
  return seen.includes(got) ? "reachable" : "";
}

test(
  "the server's configuration refuses private ranges in one word and opens services, of the host too",
  needs,
  async () => {
    enterWorld();
    await using _out = await outsidePeer();
    const server = createServer((socket) => socket.end("here"));
    await new Promise<void>((resolve) => server.listen(7443, "::", () => resolve()));
    try {
      await using networks = await openNetworks({
        policy: { deny: ["private"], permit: [`${outside.private}:81`, `${outside.host}:7443`, "169.254.7.7"] },
      });
      await using job = await startJob(networks);
      assert.is(await job.peer.tcp(outside.private, 80), "ECONNREFUSED");
      assert.match(await job.peer.tcp(outside.private, 81), outside.host);
      assert.match(await job.peer.tcp("169.254.7.7", 80), outside.host);
      assert.is(await job.peer.tcp("169.254.169.254", 80), "ECONNREFUSED");
      assert.is(await job.peer.tcp(outside.host, 7443), "here");
      assert.is(await job.peer.tcp(job.network.gateway, 7443), "ECONNREFUSED");
      await using strict = await startJob(networks, { deny: [outside.host] });
      assert.is(await strict.peer.tcp(outside.host, 7443), "ECONNREFUSED");
      await using limited = await startJob(networks, { allow: [address] });
      assert.is(await limited.peer.tcp(outside.host, 7443), "ECONNREFUSED");
    } finally {
      server.close();
    }
  },
);

test(
  "a published port is reached from outside and from the host, by no job, and is freed at the end",
  needs,
  async () => {
    enterWorld();
    await using networks = await openNetworks();
    await using out = await outsidePeer();
    await using host = await Peer.in("/proc/self/ns/net");
    {
      await using job = await startJob(networks, { publish: ["8080:80", "8053:53/udp"], deny: ["0.0.0.0/0"] });
      await using other = await startJob(networks);
      await job.peer.listen("tcp", 80);
      await job.peer.listen("udp", 53, "0.0.0.0");
      assert.match(await out.tcp(outside.host, 8080), address, "the job sees who it is");
      assert.match(await out.tcp(outside.host6, 8080), address6);
      assert.is(await out.udp(outside.host, 8053), address);
      assert.match(await host.tcp(outside.host, 8080), outside.host);
      assert.match(await host.tcp(job.network.gateway, 8080), job.network.gateway);
      assert.is(await out.tcp(outside.host, 80), "ECONNREFUSED", "only the host port is published");
      assert.is(await other.peer.tcp(outside.host, 8080), "ECONNREFUSED");
      assert.is(await other.peer.tcp(other.network.gateway, 8080), "ECONNREFUSED");
      const taken = await refusal(startJob(networks, { publish: ["9090:80", "8080:80"] }));
      assert.is(taken.code, "conflict");
      assert.is(taken.message, "host port 8080/tcp is taken: another job has published it");
    }
    assert.is(await out.tcp(outside.host, 8080), "ECONNREFUSED");
    await using again = await startJob(networks, { publish: ["8080:80", "9090:80"] });
    await again.peer.listen("tcp", 80);
    assert.match(await out.tcp(outside.host, 8080), address);
    assert.match(await out.tcp(outside.host, 9090), address);
  },
);

test(
  "a port that a program of the host uses is a conflict before the start, and cannot be taken while it is published",
  needs,
  async () => {
    enterWorld();
    await using networks = await openNetworks();
    const server = createServer();
    const listen = (port: number) =>
      new Promise<string>((resolve) => {
        server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
        server.listen(port, "0.0.0.0", () => resolve("ok"));
      });
    assert.is(await listen(8081), "ok");
    const taken = await refusal(startJob(networks, { publish: ["8081:80"] }));
    assert.is(taken.message, "host port 8081/tcp is taken: a program of the host uses it");
    await new Promise((resolve) => server.close(resolve));
    {
      await using _job = await startJob(networks, { publish: ["8081:80"] });
      assert.is(await listen(8081), "EADDRINUSE");
    }
    assert.is(await listen(8081), "ok");
    await new Promise((resolve) => server.close(resolve));
  },
);

test("a rate holds within 10 % in both directions, and without one it is far above", needs, async () => {
  enterWorld();
  await using networks = await openNetworks();
  await using out = await outsidePeer();
  for (const rate of [500_000, 4_000_000, 20_000_000]) {
    await using job = await startJob(networks, { rateBytesPerSecond: rate });
    for (const way of ["up", "down"] as const) {
      const take = async () => {
        const bytes = await arrivalRate(job.peer, way === "up" ? out : job.peer, way);
        process.stdout.write(`${way} ${Math.round(bytes)} of ${rate} bytes/s\n`);
        return bytes;
      };
      const got = await measured(take, (bytes) => Math.abs(bytes / rate - 1) <= 0.1);
      assert.ok(Math.abs(got / rate - 1) <= 0.1, `${way}: ${got} of ${rate} bytes per second`);
    }
  }
  await using free = await startJob(networks);
  const most = await measured(
    () => arrivalRate(free.peer, free.peer, "down"),
    (bytes) => bytes > 40_000_000,
  );
  assert.ok(most > 40_000_000, `${most} bytes per second`);
});

/** Bytes per second that arrive, once the first burst is over. */
async function arrivalRate(job: Peer, arrival: Peer, way: "up" | "down"): Promise<number> {
  const transfer = job.transfer(address, 80, way, 3);
  await sleep(600);
  const before = await arrival.received();
  await sleep(2000);
  const after = await arrival.received();
  await transfer;
  return (after.bytes - before.bytes) / ((after.atMs - before.atMs) / 1000);
}

test("a check from inside answers as a job would find it, without root", needs, async () => {
  enterWorld();
  await using networks = await openNetworks();
  await using _out = await outsidePeer();
  await using job = await startJob(networks, { allow: [`${other}`, address] });
  const place = {
    namespace: namespaceFile(job.network.namespace),
    process: null,
    resolvConf: "",
    hosts: `${other}\tservice.example\n`,
    uid: 65_534,
    gid: 65_534,
  };
  const ask = (text: string, timeoutMs = patienceMs) =>
    probe({ ...place, target: parseTarget("target", text), timeoutMs }).then(({ verdict }) => verdict);
  assert.is(await ask(`${other}:80`), "reachable");
  assert.is(await ask("service.example:80"), "reachable");
  assert.is(await ask("service.example"), "reachable");
  assert.is(await ask(`${other}:9`), "refused");
  assert.is(await ask(`${outside.private}:80`), "refused");
  assert.is(await ask(`[${address6}]:80`), "refused");
  assert.is(await ask("unknown.example:80"), "unreachable");
  assert.is(await ask(job.network.gateway), "reachable");
});
