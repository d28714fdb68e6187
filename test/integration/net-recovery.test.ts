// Many networks at once, and what is left of them: after their end, after a crash, beside strangers.
import { execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { NetworkAgent } from "../../net/agent/client.ts";
import { NetworkError } from "../../net/errors.ts";
import { findForeignDrops } from "../../net/foreign-firewall.ts";
import { defaultRequest, type JobNetwork } from "../../net/job-network.ts";
import { namespaceFile, namespaceNames, reachablePath } from "../../net/namespaces.ts";
import { Networks, removeNetworks } from "../../net/networks.ts";
import { NetworkPool } from "../../net/pool.ts";
import { missingParts } from "../../net/requirements.ts";
import { openNetworks, settings, startJob, tag } from "../support/net-jobs.ts";
import { measureLoopDelay } from "../support/net-loop-delay.ts";
import { Peer } from "../support/net-peer.ts";
import { enterWorld, ip, outside, outsidePeer } from "../support/net-world.ts";
import { requires, suite } from "../support/suite.ts";
import { namespaceEndSeconds, until } from "../support/until.ts";

const test = suite("networks that come and go", { testSeconds: 400 });
const needs = requires("root", "nft", "ip", "netadmin");

function nft(...words: string[]): string {
  return execFileSync("nft", words, { encoding: "utf8" });
}

/** Everything on the host that carries a tag. */
function traces(of: string): string[] {
  const links = ip("-o", "link")
    .split("\n")
    .filter((line) => line.includes(of));
  const neighbours = ip("neigh")
    .split("\n")
    .filter((line) => line.includes(of) || line.includes("10.77."));
  const tables = nft("list", "tables")
    .split("\n")
    .filter((line) => line.includes(of));
  return [...links, ...neighbours, ...tables, ...namespaceNames().filter((name) => name.includes(of))];
}

async function settledTraces(of: string): Promise<string[]> {
  const deadline = performance.now() + namespaceEndSeconds * 1000;
  while (traces(of).length > 0 && performance.now() < deadline) await sleep(50);
  return traces(of);
}

test("250 networks at once have addresses of their own, and nothing is left of them", needs, async () => {
  enterWorld();
  const networks = await Networks.open(settings, []);
  const start = performance.now();
  const made: JobNetwork[] = [];
  for (let i = 0; i < 250; i++) made.push(await networks.make());
  const each = (performance.now() - start) / made.length;
  for (const key of ["address", "address6", "namespace"] as const) {
    assert.is(new Set(made.map((network) => network[key])).size, 250, key);
  }
  const end = performance.now();
  await Promise.all(made.map((network) => networks.release(network)));
  process.stdout.write(`make ${each.toFixed(2)} ms, release ${((performance.now() - end) / 250).toFixed(2)} ms each\n`);
  await networks.close();
  assert.equal(await settledTraces(tag), []);
});

test(
  "when the bound is reached, the answer says so, and an address that was given back is given again",
  needs,
  async () => {
    enterWorld();
    await using networks = await openNetworks({ subnet: "10.77.0.0/29" });
    const made: JobNetwork[] = [];
    for (let i = 0; i < 5; i++) made.push(await networks.make());
    const error = await networks.make().catch((problem: unknown) => problem);
    assert.ok(error instanceof NetworkError && error.code === "exhausted", String(error));
    const [first] = made;
    if (first !== undefined) await networks.release(first);
    await until("its slot is free", () => networks.used < 5);
    const again = await networks.make();
    assert.is(again.address, first?.address);
    for (const network of [...made.slice(1), again]) await networks.release(network);
  },
);

test("beyond a thousand ports a second bridge is made, and its jobs are separate from the others", needs, async () => {
  enterWorld();
  const networks = await Networks.open(settings, []);
  await using out = await outsidePeer();
  const made: JobNetwork[] = [];
  for (let i = 0; i < 1001; i++) made.push(await networks.make());
  const [first, last] = [made[0], made[1000]];
  if (first === undefined || last === undefined) throw new Error("too few");
  assert.is.not(first.gateway, last.gateway);
  {
    await using a = await Peer.in(namespaceFile(first.namespace));
    await using b = await Peer.in(namespaceFile(last.namespace));
    assert.is(await b.ping(last.gateway), "ok");
    assert.match(await b.tcp(outside.address, 80), outside.host);
    await b.listen("tcp", 80);
    assert.is(await a.tcp(last.address, 80), "ECONNREFUSED");
    assert.is((await out.heard()).length, 1);
  }
  await Promise.all(made.map((network) => networks.release(network)));
  await networks.close();
  assert.equal(await settledTraces(tag), []);
});

test(
  "after a crash, kept jobs have network, policy and ports as before, and everything else is swept",
  needs,
  async () => {
    enterWorld();
    await using out = await outsidePeer();
    const crashed = await Networks.open(settings, []);
    const kept = await crashed.assign(await crashed.make(), {
      ...defaultRequest,
      allow: [outside.other],
      publish: ["8082:80"],
    });
    const orphan = await crashed.make();
    await using keptPeer = await Peer.in(namespaceFile(kept.namespace));
    await keptPeer.listen("tcp", 80);
    // Nothing of the first is closed: it is as if its process had died, and the port's socket with it.
    crashed.dropPorts();
    nft("add", "element", "inet", `podium_${tag}`, "limited4", "{ 10.77.0.99 }");
    const next = await openNetworks({}, [JSON.parse(JSON.stringify(kept)) as JobNetwork]);
    assert.not.ok(nft("list", "set", "inet", `podium_${tag}`, "limited4").includes("10.77.0.99"), "written anew");
    assert.equal(
      namespaceNames().filter((name) => name.includes(tag)),
      [kept.namespace],
    );
    assert.not.ok(ip("-o", "link").includes(`pv${tag}${orphan.slot}@`));
    assert.not.ok(ip("neigh").includes(`${orphan.address} `));
    assert.match(await keptPeer.tcp(outside.other, 80), outside.host);
    assert.is(await keptPeer.tcp(outside.address, 80), "ECONNREFUSED");
    assert.match(await out.tcp(outside.host, 8082), outside.address);
    await next.close();
    assert.ok(ip("-o", "link").includes(`pod-${tag}`), "with a job alive, the bridge stays");
    assert.match(await keptPeer.tcp(outside.other, 80), outside.host);
    await keptPeer[Symbol.asyncDispose]();
    const last = await openNetworks();
    await last.close();
    assert.equal(await settledTraces(tag), []);
  },
);

test("another tag's networks and a stranger's tables and links are left alone", needs, async () => {
  enterWorld();
  nft("add", "table", "inet", "stranger");
  nft("add", "chain", "inet", "stranger", "c", "{ type filter hook forward priority 0 ; }");
  nft("add", "rule", "inet", "stranger", "c", "ip saddr 10.77.0.1 counter");
  ip("link", "add", "pod-stranger", "type", "bridge");
  const table = nft("list", "table", "inet", "stranger");
  const other = await openNetworks({ tag: "0badcaff", subnet: "10.78.0.0/20", prefix6: "fd78:78::/48" });
  await using _out = await outsidePeer();
  {
    await using neighbour = await startJob(other);
    const networks = await openNetworks();
    {
      await using job = await startJob(networks);
      assert.is.not(await job.peer.ping(neighbour.network.address, 300), "ok", "not even across tags");
    }
    await networks.close();
    await removeNetworks(tag);
    assert.match(await neighbour.peer.tcp(outside.address, 80), outside.host);
    assert.is(await neighbour.peer.ping(neighbour.network.gateway), "ok");
  }
  assert.is(nft("list", "table", "inet", "stranger"), table);
  assert.ok(ip("-o", "link").includes("pod-stranger"));
  await other.close();
  nft("delete", "table", "inet", "stranger");
  ip("link", "del", "pod-stranger");
});

test("a subnet that the host routes is refused, and a foreign drop is found", needs, async () => {
  enterWorld();
  ip("route", "add", "10.99.0.0/16", "via", outside.address);
  const error = await Networks.open({ ...settings, subnet: "10.99.16.0/20" }, []).catch((problem: unknown) => problem);
  assert.ok(error instanceof NetworkError);
  assert.is(
    error.message,
    "the network of the jobs, 10.99.16.0/20, collides with 10.99.0.0/16, a route through uplink0 of this host",
  );
  ip("route", "del", "10.99.0.0/16");
  assert.equal(await findForeignDrops(tag), []);
  nft("add", "table", "ip", "filter");
  nft("add", "chain", "ip", "filter", "FORWARD", "{ type filter hook forward priority 0 ; policy drop ; }");
  await using _out = await outsidePeer();
  {
    await using networks = await openNetworks();
    await using job = await startJob(networks);
    const [found] = await findForeignDrops(tag);
    assert.is(found?.chain, "ip filter FORWARD");
    assert.is(await job.peer.tcp(outside.address, 80, 500), "ETIMEDOUT");
    for (const command of (found?.mend ?? "").split("; ")) execFileSync("sh", ["-c", command]);
    assert.equal(await findForeignDrops(tag), []);
    assert.match(await job.peer.tcp(outside.address, 80), outside.host, "the mend mends");
  }
  nft("delete", "table", "ip", "filter");
});

test("this host has every part that networks need", needs, async () => {
  enterWorld();
  assert.equal(await missingParts(), []);
});

test("200 jobs in a row from the pool: taking one is at once, and the event loop is never held up", needs, async () => {
  enterWorld();
  const agent = await NetworkAgent.open(settings, []);
  const pool = new NetworkPool(agent, 16);
  const runs: Awaited<ReturnType<typeof takeMany>>[] = [];
  const well = () => runs.some(({ warmMs }) => warmMs < 1) && runs.some(({ longestDelayMs }) => longestDelayMs < 20);
  // A machine that stands still for a moment does so in one of them; what the networks do they do in each.
  while (runs.length < 5 && !well()) runs.push(await takeMany(agent, pool, 200));
  const coldMs = await takeCold(agent, 20);
  process.stdout.write(`take from an empty pool: ${coldMs.toFixed(1)} ms\n`);
  await pool.close();
  await agent.close();
  assert.ok(well(), JSON.stringify(runs));
  assert.equal(await settledTraces(tag), []);
});

function median(of: readonly number[]): number {
  return [...of].sort((a, b) => a - b)[of.length >> 1] ?? Number.NaN;
}

/** The pool is filled again whenever it is nearly empty, so that all of them are warm. */
async function takeMany(agent: NetworkAgent, pool: NetworkPool, count: number) {
  await pool.filled();
  const stop = measureLoopDelay();
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    if (pool.ready < 2) await pool.filled();
    const start = performance.now();
    const network = await agent.assign(await pool.take(), defaultRequest);
    times.push(performance.now() - start);
    closeSync(openSync(reachablePath(network.namespace), "r"));
    void agent.release(network);
    await sleep(1);
  }
  const { longestMs, longestOwnMs } = stop();
  const warmMs = median(times);
  process.stdout.write(
    `take: median ${warmMs.toFixed(3)} ms, longest ${Math.max(...times).toFixed(2)} ms; ` +
      `longest loop delay ${longestMs.toFixed(1)} ms, ${longestOwnMs.toFixed(1)} ms without waiting for a processor\n`,
  );
  return { warmMs, longestDelayMs: longestOwnMs };
}

async function takeCold(agent: NetworkAgent, count: number): Promise<number> {
  const empty = new NetworkPool(agent, 0);
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    const network = await empty.take();
    times.push(performance.now() - start);
    await agent.release(network);
  }
  return median(times);
}

test("an agent that is killed is replaced, running jobs keep their networks, what waited is swept", needs, async () => {
  enterWorld();
  const agent = await NetworkAgent.open(settings, []);
  const pool = new NetworkPool(agent, 4);
  agent.on("lost", () => pool.forget());
  await using _out = await outsidePeer();
  const network = await agent.assign(await pool.take(), { ...defaultRequest, deny: [outside.other] });
  await using peer = await Peer.in(namespaceFile(network.namespace));
  await pool.filled();
  process.kill(agent.pid ?? 0, "SIGKILL");
  await new Promise<void>((resolve) => agent.once("lost", resolve));
  const other = await pool.take();
  assert.is.not(other.address, network.address);
  await pool.filled();
  const names = () => namespaceNames().filter((name) => name.includes(tag));
  await until("the job's, the taken one, four ready", () => names().length === 6);
  assert.match(await peer.tcp(outside.address, 80), outside.host);
  assert.is(await peer.tcp(outside.other, 80), "ECONNREFUSED");
  await agent.release(other);
  await peer[Symbol.asyncDispose]();
  await agent.release(network);
  await pool.close();
  await agent.close();
  assert.equal(await settledTraces(tag), []);
});
