// Networks of real jobs through the real server: what a job finds inside, what it reaches, who reaches it.
import { execFileSync } from "node:child_process";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { jobStatus } from "../../src/client/jobs.ts";
import { netcheck } from "../../src/client/network.ts";
import type { NetworkOptions } from "../../src/gen/podium.ts";
import { measured } from "../support/measured.ts";
import { Peer } from "../support/net-peer.ts";
import { NetServer, tools } from "../support/net-server.ts";
import { ip, outside } from "../support/net-world.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("networks of jobs");
const needs = requires("root", "libseccomp", "nft", "ip", "netadmin");
const { address, other, address6, private: inner } = outside;
const subnet = { subnet: "10.77.0.0/20", prefix6: "fd77:77::/48" } as const;
/** What the outside's servers answer: the address that they saw. */
const seen = outside.host;

type Answers = Readonly<Record<string, string>>;

/** Runs one job that asks all questions (words of shell, see `tools`) and compares what it got. */
async function answers(server: NetServer, network: Partial<NetworkOptions>, expected: Answers): Promise<void> {
  const questions = Object.keys(expected);
  const script = `${tools}\n${questions.map((question, i) => `(${question}) > /tmp/${i} &`).join("\n")}
    wait; for i in $(seq 0 ${questions.length - 1}); do echo "$(cat /tmp/$i)"; done`;
  const { stdout, job } = await server.run(script, network);
  const got = Object.fromEntries(stdout.split("\n").map((line, i) => [questions[i] ?? "", line]));
  for (const [question, answer] of Object.entries(expected)) {
    assert.is(got[question], answer, `${JSON.stringify(network)} ${question} ${job.outcome?.message}`);
  }
}

async function refusal(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
  } catch (error) {
    const { code, status, message } = error as { code?: string; status?: string; message: string };
    return `${status ?? code} ${message}`;
  }
  throw new Error("it was not refused");
}

test("E01 a job has lo, its address, a default route, names and IPv6, and pings its gateway", needs, async () => {
  await using server = await NetServer.start(subnet);
  await answers(
    server,
    {},
    {
      "ip -o link | wc -l": "2",
      "ip route | head -n1": "default via 10.77.0.1 dev eth0 proto static ",
      [`tcp ${address} 80`]: seen,
      [`tcp ${address6} 80`]: outside.host6,
      [`udp ${other} 80`]: seen,
      "name service.example": other,
      "tcp service.example 80": seen,
      "cat /etc/resolv.conf": `nameserver ${address}`,
      lo: "hello",
      "ip -o -4 addr show eth0 | grep -c 10.77": "1",
      "getent hosts $(hostname) | grep -c -e 10.77 -e fd77": "1",
    },
  );
  const id = await server.start("sleep 1000");
  const check = async (target: string) => (await netcheck(server.podium, id, target)).reachability;
  assert.is(await check("10.77.0.1"), "REACHABILITY_REACHABLE", "the gateway answers a ping");
  assert.is(await check("fd77:77::1"), "REACHABILITY_REACHABLE");
  assert.is(await check("service.example:80"), "REACHABILITY_REACHABLE", "resolved as the job would");
  assert.is(await check("absent.example:80"), "REACHABILITY_UNREACHABLE");
  assert.is(await check(`${address}:9`), "REACHABILITY_REFUSED");
  const { network } = await jobStatus(server.podium, id);
  assert.is(network?.mode, "NETWORK_MODE_BRIDGE");
  assert.match(network?.addresses.join(" ") ?? "", /^10\.77\.\d+\.\d+ fd77:77::[0-9a-f]+$/);
  await server.kill(id);
  assert.match(await refusal(netcheck(server.podium, id, address)), /^FAILED_PRECONDITION job \d+ has ended$/);
});

test("N06 veth and lo work, and a job can configure neither them nor the host's end", needs, async () => {
  await using server = await NetServer.start();
  const { stdout } = await server.run(`
    ip -o link | cut -d: -f2 | cut -d@ -f1 | tr -d '\\n'; echo
    for change in "link set eth0 down" "link set eth0 mtu 1400" "address add 10.9.9.9/24 dev eth0" "route del default" \\
        "route add 198.18.0.0/15 dev eth0" "neigh replace 203.0.113.9 lladdr 02:00:00:00:00:01 dev eth0" "link set eth0 netns 1" "link add d type dummy" "netns add x"; do
      ip $change 2>/dev/null && echo "did $change"
    done
    nft list ruleset 2>/dev/null && echo "did nft"; ls /sys/class/net 2>/dev/null; echo done`);
  assert.is(stdout, " lo eth0\ndone\n");
});

test("E03 a job reaches neither other jobs, nor the host's services, nor metadata and link-local", needs, async () => {
  const service = createServer((socket) => socket.end("host\n"));
  await using server = await NetServer.start(subnet);
  await new Promise<void>((resolve) => service.listen(7443, "::", () => resolve()));
  const listener = await server.start(
    `perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(Listen=>5,LocalPort=>80,ReuseAddr=>1); $|=1; print "up\\n"; while($c=$s->accept){print $c "job\\n"; close $c}'`,
  );
  try {
    await server.outputWith(listener, "up");
    const [job4 = "", job6 = ""] = (await jobStatus(server.podium, listener)).network?.addresses ?? [];
    const refused = [
      ...[job4, job6].map((to) => `tcp ${to} 80`),
      ...["10.77.0.1", "fd77:77::1", outside.host, outside.host6].map((to) => `tcp ${to} 7443`),
      `tcp 127.0.0.1 ${server.server.port}`,
      `tcp 10.77.0.1 ${server.server.port}`,
      ...[...outside.metadata, outside.metadata6].map((to) => `tcp ${to} 80`),
      "tcp metadata.google.internal 80",
      "tcp metadata.tencentyun.com 80",
    ];
    const expected = Object.fromEntries(refused.map((question) => [question, "no"]));
    await answers(
      server,
      {},
      { ...expected, "name metadata.google.internal": "169.254.169.254", [`tcp ${inner} 80`]: seen },
    );
    await server.outside.heard();
  } finally {
    service.close();
    await server.kill(listener);
  }
});

test(
  "E05 one word of the configuration refuses private ranges, and permit opens a service in them",
  needs,
  async () => {
    await using server = await NetServer.start({ deny: ["private"], permit: [`${inner}:81`] });
    await answers(server, {}, { [`tcp ${inner} 80`]: "no", [`tcp ${inner} 81`]: seen, [`tcp ${other} 80`]: seen });
    const message = await refusal(server.run("true", { allow: ["172.31.5.6"] }));
    assert.match(
      message,
      /^INVALID_ARGUMENT network\.allow\[0\]: 172\.31\.5\.6 is in 172\.16\.0\.0\/12, which this server refuses/,
    );
  },
);

test(
  "E06 allow and deny lists hold for TCP, UDP, names and IPv6; deny wins, and an allow list closes the rest",
  needs,
  async () => {
    await using server = await NetServer.start();
    const to = (host: string, port = 80) => `tcp ${host} ${port}`;
    const table: readonly (readonly [Partial<NetworkOptions>, Answers])[] = [
      [
        { allow: [other] },
        { [to(other)]: seen, [`udp ${other} 80`]: seen, [to(address)]: "no", "name service.example": "" },
      ],
      [{ allow: [`${other}/24:80`] }, { [to(other)]: seen, [to(other, 81)]: "no", [to(address6)]: "no" }],
      [{ allow: [other, `${address}:53`] }, { "tcp service.example 80": seen, [to(address)]: "no" }],
      [
        { deny: [other] },
        { [to(other)]: "no", [`udp ${other} 80`]: "no", [to(address)]: seen, [to(address6)]: outside.host6 },
      ],
      [{ deny: ["::/0"] }, { [to(address)]: seen, [to(address6)]: "no" }],
      [{ allow: ["198.51.100.0/24"], deny: [other] }, { [to(other)]: "no" }],
      [{ allow: [other, other, "198.51.100.0/24"] }, { [to(other)]: seen, [to(address)]: "no" }],
      [
        { allow: [`[${address6}]:80`] },
        { [to(address6)]: outside.host6, [to(address6, 81)]: "no", [to(address)]: "no" },
      ],
    ];
    await Promise.all(table.map(([network, expected]) => answers(server, network, expected)));
    assert.match(
      await refusal(server.run("true", { allow: ["nonsense"] })),
      /^INVALID_ARGUMENT network\.allow\[0\]: "nonsense"/,
    );
    const without = refusal(server.run("true", { mode: "NETWORK_MODE_NONE", deny: [other] }));
    assert.match(await without, /^INVALID_ARGUMENT network\.deny: the job has no network of its own/);
  },
);

test(
  "E09 a rate holds within 10 % in both directions",
  requires("root", "libseccomp", "nft", "ip", "netadmin", "python3"),
  async () => {
    await using server = await NetServer.start();
    const rate = 4_000_000;
    const options = { rateBytesPerSecond: BigInt(rate) };
    const connected = `import socket, time\ns = socket.create_connection(("${address}", 80)); start = time.monotonic()\n`;
    const took = "time.monotonic() - start";
    const downloads = `${connected}s.makefile().readline(); s.sendall(b"give 2000000000")
while ${took} < 0.6: s.recv(65536)
began, count = time.monotonic(), 0
while ${took} < 2.6: count += len(s.recv(65536))
print(int(count / (time.monotonic() - began)), end="")`;
    const uploads = `${connected}while ${took} < 3: s.sendall(b"x" * 16384)`;
    const [down, up] = [downloads, uploads].map((program) => `exec python3 -c '${program}'`) as [string, string];
    /** The worse of both, as its share of the rate. */
    const take = async () => {
      const [downwards, upwards] = [await server.start(down, options), await server.start(up, options)];
      await sleep(600);
      const first = await server.outside.received();
      await sleep(2000);
      const last = await server.outside.received();
      const got = (last.bytes - first.bytes) / ((last.atMs - first.atMs) / 1000);
      await server.ended(upwards);
      const { stdout } = await server.ended(downwards);
      process.stdout.write(`down ${stdout}, up ${Math.round(got)} of ${rate} bytes/s\n`);
      return [Number(stdout) / rate, got / rate].sort((a, b) => Math.abs(b - 1) - Math.abs(a - 1))[0] ?? 0;
    };
    const share = await measured(take, (of) => Math.abs(of - 1) <= 0.1);
    assert.ok(Math.abs(share - 1) <= 0.1, `${share} of the rate`);
  },
);

const serve80 = `perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(Listen=>5,LocalPort=>80,ReuseAddr=>1); $|=1; print "up\\n"; while($c=$s->accept){print $c $c->peerhost."\\n"; close $c}'`;

test(
  "E11 a published port is reached from outside and from the host, conflicts are told, and it is free at the end",
  needs,
  async () => {
    await using server = await NetServer.start();
    await using host = await Peer.in("/proc/self/ns/net");
    const publish = ["8080:80"];
    for (let round = 0; round < 2; round++) {
      const id = await server.start(serve80, { publish, deny: ["0.0.0.0/0"] });
      await server.outputWith(id, "up");
      assert.is(await server.outside.tcp(outside.host, 8080), address, "the job sees who it is");
      assert.is(await host.tcp(outside.host, 8080), outside.host);
      assert.is(await server.outside.tcp(outside.host, 80), "ECONNREFUSED");
      assert.equal((await jobStatus(server.podium, id)).network?.publish, publish);
      const taken = await refusal(server.run("true", { publish: ["9090:80", ...publish] }));
      assert.is(
        taken,
        "FAILURE_CODE_PORT_TAKEN host port 8080/tcp is taken: another job has published it; publish another port",
      );
      await answers(server, {}, { [`tcp ${outside.host} 8080`]: "no" });
      await server.kill(id);
      await server.isFree(8080);
    }
  },
);

test(
  "a target that must be reachable is a condition of the start, asked under the job's own policy",
  needs,
  async () => {
    await using server = await NetServer.start();
    const whenReachable = (target: string, rest: Partial<NetworkOptions> = {}) =>
      server.run("echo ran", { requireReachable: [target], ...rest });
    assert.is((await whenReachable("service.example:80")).stdout, "ran\n");
    const text = (target: string, answer: string) =>
      `FAILURE_CODE_UNREACHABLE ${target} from inside the job: ${answer}`;
    assert.is(await refusal(whenReachable(`${other}:9`)), text(`${other}:9`, `refused (${other}, ECONNREFUSED)`));
    assert.is(
      await refusal(whenReachable(`${other}:80`, { deny: [other] })),
      text(`${other}:80`, `refused (${other}, ECONNREFUSED)`),
    );
    assert.match(
      await refusal(whenReachable(other)),
      /^INVALID_ARGUMENT network\.require_reachable\[0\]: .* has no port/,
    );
    const all = execFileSync("ip", ["netns", "list"], { encoding: "utf8" });
    assert.ok(all.split("\n").length <= 20, "what was refused has given its network back");
  },
);

test("a firewall that drops what jobs forward is found at Start, with the mend that mends", needs, async () => {
  await using server = await NetServer.start();
  const nft = (...words: string[]) => execFileSync("nft", words);
  assert.is((await server.run("true")).job.outcome?.exitCode, 0);
  await server.server.stop();
  nft("add", "table", "ip", "filter");
  nft("add", "chain", "ip", "filter", "FORWARD", "{ type filter hook forward priority 0 ; policy drop ; }");
  try {
    await server.server.start();
    const found = await refusal(server.run("true"));
    assert.match(
      found,
      /^FAILURE_CODE_UNENFORCEABLE network: chain FORWARD of table ip filter drops forwarded packets/,
    );
    const [, mend = ""] = /let them pass \((.*?)\)/.exec(found) ?? [];
    assert.is((await server.run("true", { mode: "NETWORK_MODE_NONE" })).job.outcome?.exitCode, 0);
    execFileSync("sh", ["-c", mend]);
    await answers(server, {}, { [`tcp ${address} 80`]: seen });
  } finally {
    nft("delete", "table", "ip", "filter");
  }
});

test("on a host without nft a network is refused with the mend, and --net none works", needs, async () => {
  // nft is looked for in fixed folders: in this mount namespace they have none.
  await using server = await NetServer.start({ default: "none" });
  const nft = execFileSync("sh", ["-c", "readlink -f $(command -v nft)"], { encoding: "utf8" }).trim();
  execFileSync("mount", ["--bind", "/dev/null", nft]);
  try {
    const refused = await refusal(server.run("true", { mode: "NETWORK_MODE_BRIDGE" }));
    assert.is(
      refused,
      "FAILURE_CODE_UNENFORCEABLE network: the program nft cannot be run (EACCES); apt-get install nftables; or use --net none",
    );
    assert.is((await server.run("true")).job.outcome?.exitCode, 0);
  } finally {
    execFileSync("umount", [nft]);
  }
  await sleep(1100); // what was found out is taken for true for a second
  assert.is((await server.run("true", { mode: "NETWORK_MODE_BRIDGE" })).job.outcome?.exitCode, 0);
  assert.ok(ip("-o", "link").includes(`pod-${server.tag}`));
});
