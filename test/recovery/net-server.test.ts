// Networks of jobs when the server ends or is killed.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { namespaceNames } from "../../net/namespaces.ts";
import { jobStatus, listJobs } from "../../src/client/jobs.ts";
import { netcheck } from "../../src/client/network.ts";
import { NetServer } from "../support/net-server.ts";
import { ip, outside } from "../support/net-world.ts";
import { requires, suite } from "../support/suite.ts";
import { namespaceEndSeconds, until } from "../support/until.ts";

const test = suite("networks of jobs outlive their server", { testSeconds: 400 });
const needs = requires("root", "libseccomp", "nft", "ip", "netadmin");
const { address, other } = outside;

const serve80 = `perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(Listen=>5,LocalPort=>80,ReuseAddr=>1); $|=1; print "up\\n"; while($c=$s->accept){print $c "job\\n"; close $c}'`;

/** What the job with the policy of these tests reaches and who reaches it. */
async function checkPolicy(server: NetServer, id: bigint, when: string): Promise<void> {
  const check = async (target: string) => (await netcheck(server.podium, id, target)).reachability;
  assert.is(await check(`${other}:80`), "REACHABILITY_REACHABLE", when);
  assert.is(await check(`${address}:80`), "REACHABILITY_REFUSED", when);
  assert.is(await server.outside.tcp(outside.host, 8080), "job", when);
}

async function kept(server: NetServer): Promise<string[]> {
  const names: string[] = [];
  for await (const { id, network } of listJobs(server.podium)) {
    if (network?.mode !== "NETWORK_MODE_BRIDGE") continue;
    const file = join(server.server.data, "jobs", String(id), "network.json");
    names.push((JSON.parse(readFileSync(file, "utf8")) as { namespace: string }).namespace);
  }
  return names.sort();
}

test(
  "E12 network, policy, rate and ports of a running job outlive the server, ended in order or killed",
  needs,
  async () => {
    await using server = await NetServer.start({ subnet: "10.77.0.0/20" });
    const id = await server.start(serve80, { allow: [other], publish: ["8080:80"], rateBytesPerSecond: 1_000_000n });
    await server.outputWith(id, "up");
    const before = await jobStatus(server.podium, id);
    await checkPolicy(server, id, "at first");
    await server.server.stop();
    assert.is(await server.outside.tcp(outside.host, 8080), "job", "without a server");
    assert.ok(ip("-o", "link").includes(`pod-${server.tag}`), "the bridge stays while a job runs");
    await server.restart();
    await checkPolicy(server, id, "after an orderly end");
    await server.server.kill();
    await server.restart();
    await checkPolicy(server, id, "after a kill");
    assert.equal((await jobStatus(server.podium, id)).network, before.network);
    const [namespace = ""] = await kept(server);
    assert.match(
      execFileSync("tc", ["-n", namespace, "qdisc", "show", "dev", "eth0"], { encoding: "utf8" }),
      /tbf.* rate 8Mbit/,
    );
    await server.kill(id);
    await server.isFree(8080);
    assert.is((await server.run("true", { publish: ["8080:80"] })).job.outcome?.exitCode, 0);
  },
);

test(
  "L18 the server killed in the middle of 50 starts with networks: nothing is orphaned, running jobs keep network and policy",
  needs,
  async () => {
    await using server = await NetServer.start({ subnet: "10.77.0.0/20", ready: 8 });
    const first = await server.start(serve80, { allow: [other], publish: ["8080:80"] });
    await server.outputWith(first, "up");
    const starts = Array.from({ length: 50 }, (_, i) =>
      server.start("sleep 1000", i % 5 === 0 ? { deny: [other] } : {}).catch(() => null),
    );
    await sleep(120);
    await server.server.kill();
    await server.server.start();
    // The client asks again by itself, with the request's own id.
    const started = (await Promise.all(starts)).filter((id) => id !== null);
    await checkPolicy(server, first, "after the kill");
    for (const id of started) {
      const { state, network } = await jobStatus(server.podium, id);
      assert.is(state, "RUNNING");
      assert.is(network?.mode, "NETWORK_MODE_BRIDGE");
    }
    const wanted = await kept(server);
    process.stdout.write(`${started.length} of 50 were answered, ${wanted.length} jobs run\n`);
    const present = () => namespaceNames().filter((name) => name.includes(server.tag));
    const ports = () =>
      ip("-o", "link")
        .split("\n")
        .filter((line) => line.includes(`pv${server.tag}`));
    const settled = () => [present(), ports()].every(({ length }) => length === wanted.length + 8);
    await until("there are those of running jobs and the ready ones", settled, namespaceEndSeconds);
    for (const name of wanted) assert.ok(present().includes(name), `${name} is there`);
    await server.server.stopJobs();
    await server.server.stop();
    const gone = () => !ip("-o", "link").includes(server.tag) && present().length === 0;
    await until("nothing is left", gone, namespaceEndSeconds);
  },
);
