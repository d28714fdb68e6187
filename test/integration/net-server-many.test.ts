// Many jobs with networks through the real server: addresses, the bound, what is left, and the server's event loop.
import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { namespaceNames } from "../../net/namespaces.ts";
import { jobStatus } from "../../src/client/jobs.ts";
import { NetServer } from "../support/net-server.ts";
import { ip } from "../support/net-world.ts";
import { requires, suite } from "../support/suite.ts";
import { namespaceEndSeconds, until } from "../support/until.ts";

const test = suite("networks of many jobs", { testSeconds: 300 });
const needs = requires("root", "libseccomp", "nft", "ip", "netadmin");

/** Links, neighbours, namespaces and set elements of jobs, beside what the ready networks have. */
function traces(tag: string): { links: string[]; neighbours: string[]; names: string[]; elements: number } {
  const lines = (text: string) => text.split("\n").filter((line) => line.includes(tag));
  const ruleset = execFileSync("nft", ["-j", "list", "table", "inet", `podium_${tag}`], { encoding: "utf8" });
  const sets = ["limited4", "denied4", "allowed4", "publish4"];
  const found = (JSON.parse(ruleset) as { nftables: Record<string, { name: string; elem?: unknown[] }>[] }).nftables;
  const elements = found.flatMap(({ set, map }) => [set, map].filter((each) => sets.includes(each?.name ?? "")));
  return {
    links: lines(ip("-o", "link")).filter((line) => line.includes(`pv${tag}`)),
    neighbours: lines(ip("neigh")),
    names: namespaceNames().filter((name) => name.includes(tag)),
    elements: elements.reduce((sum, set) => sum + (set?.elem?.length ?? 0), 0),
  };
}

/** Waits until nothing is there but what the ready networks have; the kernel takes away on its own time. */
async function untilSettled(tag: string, ready: number): Promise<void> {
  for (const deadline = performance.now() + namespaceEndSeconds * 1000; ; await sleep(100)) {
    const { links, neighbours, names, elements } = traces(tag);
    if (Math.max(links.length, names.length, neighbours.length / 2) <= ready && elements === 0) return;
    const left = `${links.length} links, ${names.length} names, ${neighbours.length} neighbours, ${elements} elements`;
    assert.ok(performance.now() < deadline, `beside ${ready} ready ones there are left: ${left}`);
  }
}

async function atOnce<T>(count: number, width: number, work: (i: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < count; i = next++) results[i] = await work(i);
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}

test("E02 250 jobs at once have addresses of their own, and all of them are given back", needs, async () => {
  const ready = 8;
  await using server = await NetServer.start({ subnet: "10.77.0.0/20", ready });
  const ids = await atOnce(250, 16, (i) => server.start("sleep 1000", i % 10 === 0 ? { deny: ["192.0.2.1"] } : {}));
  const jobs = await atOnce(250, 16, (i) => jobStatus(server.podium, ids[i] ?? 0n));
  for (const family of [0, 1]) {
    assert.is(new Set(jobs.map(({ network }) => network?.addresses[family])).size, 250);
  }
  await atOnce(250, 16, (i) => server.kill(ids[i] ?? 0n));
  await untilSettled(server.tag, ready);
});

test("E02 when all are in use, Start says RESOURCE_EXHAUSTED, and one that ends makes room", needs, async () => {
  await using server = await NetServer.start({ subnet: "10.77.0.0/29", ready: 2 });
  const ids = await atOnce(5, 5, () => server.start("sleep 1000"));
  const refused = await server.start("true").catch((error: { status: string; message: string }) => error);
  if (typeof refused === "bigint") throw new Error("a sixth job has got one of five addresses");
  assert.is(refused.status, "RESOURCE_EXHAUSTED");
  assert.is(
    refused.message,
    "all 5 job networks of this server are in use (subnet 10.77.0.0/29); wait until jobs end, or give the server a larger subnet",
  );
  assert.is((await server.run("true", { mode: "NETWORK_MODE_NONE" })).job.outcome?.exitCode, 0);
  await server.kill(ids[0] ?? 0n);
  for (let i = 0; i < 8; i++) assert.is((await server.run("true")).job.outcome?.exitCode, 0);
  for (const id of ids.slice(1)) await server.kill(id);
});

test("after 1,000 jobs nothing is left of any", needs, async () => {
  const ready = 4;
  const server = await NetServer.start({ subnet: "10.77.0.0/20", ready });
  const { tag } = server;
  const start = performance.now();
  await atOnce(1000, 12, (i) =>
    server.run("true", i % 50 === 0 ? { allow: ["192.0.2.1"], publish: [`${9000 + i}:80`] } : {}),
  );
  process.stdout.write(`${((performance.now() - start) / 1000).toFixed(1)} ms for each of 1,000 jobs\n`);
  await untilSettled(tag, ready);
  await server[Symbol.asyncDispose]();
  assert.not.ok(
    execFileSync("nft", ["list", "tables"], { encoding: "utf8" }).includes(tag),
    "tables go with the server",
  );
  await until("its links are gone", () => !ip("-o", "link").includes(tag), namespaceEndSeconds);
  assert.equal(
    namespaceNames().filter((name) => name.includes(tag)),
    [],
  );
});
