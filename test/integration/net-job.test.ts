// What a job's network gives and what it keeps the job from, seen by processes in real namespaces.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import * as assert from "uvu/assert";
import { portName } from "../../net/names.ts";
import { isMountPoint, reachablePath } from "../../net/namespaces.ts";
import { shownAddresses, shownBridge, shownNamespaces, shownRoutes } from "../../net/show.ts";
import { readSetting } from "../../net/sysctl.ts";
import { openNetworks, startJob, tag } from "../support/net-jobs.ts";
import { Peer } from "../support/net-peer.ts";
import { enterWorld, ip, outside, outsidePeer } from "../support/net-world.ts";
import { requires, suite } from "../support/suite.ts";
import { namespaceEndSeconds, until } from "../support/until.ts";

const test = suite("job network", { testSeconds: 300 });
const needs = requires("root", "nft", "ip", "netadmin");
/** So long one listens where no answer should come. */
const silenceMs = 700;

/** An Ethernet frame with IPv4 and UDP, checksums right (the UDP one left out, as IPv4 permits). */
function udpFrame(to: { mac: string; address: string }, from: { mac: string; address: string }, port: number): string {
  const hex = (text: string, separator: string, base: number) =>
    Buffer.from(text.split(separator).map((part) => Number.parseInt(part, base)));
  const header = Buffer.from("4500001f00010000401100000000000000000000", "hex");
  hex(from.address, ".", 10).copy(header, 12);
  hex(to.address, ".", 10).copy(header, 16);
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += header.readUInt16BE(i);
  sum = (sum & 0xffff) + (sum >>> 16);
  header.writeUInt16BE(~(sum + (sum >>> 16)) & 0xffff, 10);
  const udp = Buffer.from("00000000000b0000616263", "hex");
  udp.writeUInt16BE(4242, 0);
  udp.writeUInt16BE(port, 2);
  const ethernet = Buffer.concat([hex(to.mac, ":", 16), hex(from.mac, ":", 16), Buffer.from("0800", "hex")]);
  return Buffer.concat([ethernet, header, udp]).toString("hex");
}

function macOf(link: string, namespace?: string): string {
  const shown = ip(...(namespace === undefined ? [] : ["-n", namespace]), "-o", "link", "show", link);
  return /link\/ether (\S+)/.exec(shown)?.[1] ?? "";
}

test("a job has lo, an address of its own in both families, default routes, ping and low ports", needs, async () => {
  enterWorld();
  await using networks = await openNetworks();
  await using job = await startJob(networks);
  const { network, peer } = job;
  assert.match(network.address, /^10\.77\.[0-3]\./);
  assert.ok(shownNamespaces().includes(network.namespace), "ip netns list shows it");
  const bridge = await shownBridge(tag, 0);
  assert.ok(bridge.includes(`pod-${tag} ${network.gateway}/22`), bridge.join());
  assert.ok(bridge.includes(`pod-${tag} ${network.gateway6}/64`), bridge.join());
  const shown = shownAddresses(network.namespace);
  assert.ok(
    shown.includes(`eth0 ${network.address}/32`) && shown.includes(`eth0 ${network.address6}/128`),
    shown.join(),
  );
  assert.ok(shown.includes("lo 127.0.0.1/8"), shown.join());
  assert.not.ok(
    shown.some((entry) => entry.startsWith("eth0 fe80")),
    "no address that was not given",
  );
  const routes = shownRoutes(network.namespace);
  assert.ok(routes.includes(`default via ${network.gateway}`), routes.join());
  assert.ok(routes.includes(`default via ${network.gateway6}`), routes.join());
  assert.is(await peer.ping("127.0.0.1"), "ok");
  assert.is(await peer.ping(network.gateway), "ok");
  assert.is(await peer.ping(network.gateway6 ?? ""), "ok");
  assert.is(await peer.listen("tcp", 80), "ok");
  assert.match(await peer.tcp(network.address, 80), network.address);
});

test("a job's namespace is reached from a mount namespace that has dropped /run/netns", needs, async () => {
  enterWorld();
  await using networks = await openNetworks();
  await using job = await startJob(networks);
  const enter = `umount -l /run/netns; test ! -e /run/netns/${job.network.namespace} && nsenter --net="$0" ip -o -4 addr`;
  const path = reachablePath(job.network.namespace);
  const shown = execFileSync("unshare", ["--mount", "--propagation", "slave", "sh", "-c", enter, path], {
    encoding: "utf8",
  });
  assert.ok(shown.includes(`${job.network.address}/32`), shown);
  await using later = await startJob(networks);
  assert.ok(isMountPoint(`/run/netns/${later.network.namespace}`));
});

test("a job reaches the outside through NAT, with TCP, UDP and ping, in both families", needs, async () => {
  enterWorld();
  await using networks = await openNetworks();
  await using job = await startJob(networks);
  await using out = await outsidePeer();
  assert.match(await job.peer.tcp(outside.address, 80), outside.host);
  assert.is(await job.peer.udp(outside.address, 80), outside.host);
  assert.is(await job.peer.tcp(outside.address6, 80), outside.host6);
  assert.is(await job.peer.udp(outside.address6, 80), outside.host6);
  assert.is(await job.peer.ping(outside.address), "ok");
  assert.is(await job.peer.ping(outside.address6), "ok");
  assert.is((await out.heard()).length, 4);
  assert.is(await job.peer.tcp(outside.address, 9), "ECONNREFUSED", "the outside itself refuses");
});

test("jobs cannot reach each other on layer 3", needs, async () => {
  enterWorld();
  await using networks = await openNetworks();
  await using a = await startJob(networks);
  await using b = await startJob(networks);
  await b.peer.listen("tcp", 80);
  await b.peer.listen("udp", 80, "0.0.0.0");
  assert.match(await b.peer.tcp(b.network.address, 80), b.network.address, "it does serve");
  await b.peer.heard();
  assert.is(await a.peer.tcp(b.network.address, 80), "ECONNREFUSED");
  assert.is(await a.peer.tcp(b.network.address6 ?? "", 80), "ECONNREFUSED");
  assert.is.not(await a.peer.udp(b.network.address, 80, silenceMs), b.network.address);
  assert.is.not(await a.peer.ping(b.network.address, silenceMs), "ok");
  assert.is.not(await a.peer.ping(b.network.address6 ?? "", silenceMs), "ok");
  assert.equal(await b.peer.heard(), []);
});

test("jobs cannot reach each other on layer 2, not even with routes and neighbours set by root", needs, async () => {
  enterWorld();
  await using networks = await openNetworks();
  await using a = await startJob(networks);
  await using b = await startJob(networks);
  await b.peer.listen("tcp", 80);
  await b.peer.listen("udp", 80, "0.0.0.0");
  const macB = macOf("eth0", b.network.namespace);
  ip("-n", a.network.namespace, "route", "add", b.network.address, "dev", "eth0");
  ip("-n", a.network.namespace, "neigh", "replace", b.network.address, "lladdr", macB, "dev", "eth0");
  assert.is(await a.peer.tcp(b.network.address, 80, 1200), "ETIMEDOUT");
  const from = { mac: macOf("eth0", a.network.namespace), address: a.network.address };
  for (const mac of [macB, "ff:ff:ff:ff:ff:ff"]) {
    await a.peer.frame("eth0", udpFrame({ mac, address: b.network.address }, from, 80));
  }
  assert.equal(await b.peer.heard(), []);
});

test("a job sends only from its own MAC and address", needs, async () => {
  enterWorld();
  await using networks = await openNetworks();
  await using a = await startJob(networks);
  await using b = await startJob(networks);
  await using out = await outsidePeer();
  const to = { mac: macOf(`pod-${tag}`), address: outside.address };
  const own = { mac: macOf("eth0", a.network.namespace), address: a.network.address };
  const other = { mac: macOf("eth0", b.network.namespace), address: b.network.address };
  for (const from of [
    { ...own, address: other.address },
    { ...own, address: outside.host },
    { ...own, address: "198.51.100.99" },
    { ...own, mac: other.mac },
    { ...own, mac: "02:00:00:00:00:99" },
    other,
  ]) {
    await a.peer.frame("eth0", udpFrame(to, from, 80));
  }
  assert.is(await a.peer.udp(outside.address, 80), outside.host, "what is its own passes");
  assert.is((await out.heard()).length, 1, "and nothing else did");
  await a.peer.frame("eth0", udpFrame(to, own, 80));
  assert.is(await a.peer.udp(outside.address, 80), outside.host);
  assert.is((await out.heard()).length, 2, "the hand-made frame is a good one");
});

test("claims in ARP and neighbour discovery change nothing for host and jobs", needs, async () => {
  enterWorld();
  await using networks = await openNetworks();
  await using a = await startJob(networks);
  await using b = await startJob(networks);
  await using out = await outsidePeer();
  const before = ip("neigh", "show", "dev", `pod-${tag}`);
  const mac = macOf("eth0", a.network.namespace).replaceAll(":", "");
  const address = (text: string) => Buffer.from(text.split(".").map(Number)).toString("hex");
  for (const claimed of [b.network.address, a.network.gateway, "10.77.0.99"]) {
    const arp = `0001080006040002${mac}${address(claimed)}ffffffffffff${address(a.network.gateway)}`;
    await a.peer.frame("eth0", `ffffffffffff${mac}0806${arp}`);
  }
  assert.is(ip("neigh", "show", "dev", `pod-${tag}`), before);
  assert.is(await b.peer.ping(b.network.gateway), "ok");
  assert.match(await b.peer.tcp(outside.address, 80), outside.host);
  assert.is((await out.heard()).length, 1);
});

test("the host's own addresses are refused, but the gateway answers a ping", needs, async () => {
  enterWorld();
  await using networks = await openNetworks();
  await using job = await startJob(networks);
  await using out = await outsidePeer();
  const server = createServer((socket) => socket.end("here"));
  await new Promise<void>((resolve) => server.listen(7443, "::", () => resolve()));
  try {
    assert.is(await out.tcp(outside.host, 7443), "here", "the service is there for others");
    const { gateway, gateway6 } = job.network;
    for (const address of [gateway, gateway6 ?? "", outside.host, outside.host6]) {
      assert.is(await job.peer.tcp(address, 7443), "ECONNREFUSED", address);
    }
    assert.is.not(await job.peer.ping(outside.host, silenceMs), "ok");
    assert.is(await job.peer.ping(gateway), "ok");
  } finally {
    server.close();
  }
});

test("metadata and link-local addresses are refused by the rules, not by their absence", needs, async () => {
  enterWorld();
  await using networks = await openNetworks();
  await using job = await startJob(networks);
  await using out = await outsidePeer();
  await using host = await Peer.in("/proc/self/ns/net");
  for (const address of [...outside.metadata, outside.metadata6]) {
    assert.match(await host.tcp(address, 80, 8000), /203\.0\.113\.2|2001:db8:1::2/, `${address} is there for the host`);
    assert.is(await job.peer.tcp(address, 80), "ECONNREFUSED", address);
    assert.is.not(await job.peer.ping(address, silenceMs), "ok", address);
  }
  assert.match(await job.peer.tcp(outside.other, 80), outside.host, "addresses beside them are not refused");
  assert.is((await out.heard()).length, 1 + outside.metadata.length + 1);
});

test("nobody outside reaches a job through the host as a router", needs, async () => {
  enterWorld();
  await using networks = await openNetworks();
  await using job = await startJob(networks);
  await using out = await outsidePeer();
  await job.peer.listen("tcp", 80);
  ip("-n", outside.name, "route", "add", "10.77.0.0/20", "via", outside.host);
  try {
    assert.is(readSetting("ipv4/ip_forward"), "1");
    assert.is(await out.tcp(job.network.address, 80, 800), "ETIMEDOUT");
    assert.is(await out.ping(job.network.address, 300), "ETIMEDOUT");
  } finally {
    ip("-n", outside.name, "route", "del", "10.77.0.0/20");
  }
});

test("the connections of an ended job are forgotten before its address is given again", needs, async () => {
  enterWorld();
  await using networks = await openNetworks({ subnet: "10.77.0.0/29" });
  await using _out = await outsidePeer();
  const known = (address: string) =>
    readFileSync("/proc/thread-self/net/nf_conntrack", "utf8")
      .split("\n")
      .filter((line) => line.includes(`=${address} `)).length;
  const first = await startJob(networks);
  const { address } = first.network;
  assert.match(await first.peer.tcp(outside.address, 80), outside.host);
  assert.ok(known(address) > 0, "the kernel knows the connection");
  await first[Symbol.asyncDispose]();
  await until("its slot is free", () => networks.used === 0, namespaceEndSeconds);
  assert.is(known(address), 0);
});

test("a network does not outlive its job for a connection whose other side is gone", needs, async () => {
  enterWorld();
  await using networks = await openNetworks();
  await using _out = await outsidePeer();
  const job = await startJob(networks);
  const { namespace, slot } = job.network;
  const sending = job.peer.transfer(outside.address, 80, "up", 60).catch(() => "");
  const sockets = () => ip("netns", "exec", namespace, "ss", "-tnH");
  await until("it sends", () => sockets().includes("ESTAB"));
  ip("-n", outside.name, "link", "set", "eth0", "down");
  try {
    await job.peer[Symbol.asyncDispose]();
    await sending;
    assert.match(sockets(), /FIN-WAIT-1/, "the kernel goes on alone");
    await networks.release(job.network);
    await until("its veth pair is gone", () => !ip("-o", "link").includes(`${portName(tag, slot)}@`));
  } finally {
    ip("-n", outside.name, "link", "set", "eth0", "up");
  }
});
