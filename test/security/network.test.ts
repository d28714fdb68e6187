// The network of `--net none`: a loopback of the job's own, and no way out.
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import * as assert from "uvu/assert";
import { runSandbox, runScript, startProgram, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { Attacks, assertResults, profiles } from "./attacks.ts";

const test = suite("--net none");
const root = requires("root", "libseccomp");
const compiler = requires("root", "libseccomp", "gcc");

test("N06 lo works, and is all there is", requires("root", "libseccomp", "ip"), async () => {
  const script =
    'use IO::Socket::INET; my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die; ' +
    'my $c = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $s->sockport) or die $!; my $a = $s->accept; print $c "hello\\n"; $c->close; print <$a>;';
  assert.is((await runSandbox(["--", "perl", "-e", script])).stdout, "hello\n");
  const links = await runScript(
    "ip -o link | cut -d: -f2; ip -o -4 address; ip route; ip -6 route | grep -v ' lo '; ls /sys/class/net 2>&1",
  );
  assert.match(links.stdout, /^ lo\n1: lo +inet 127\.0\.0\.1\/8 [^\n]*\nls: [^\n]*\n$/);
});

for (const seccomp of profiles) {
  test(`N06 the job cannot configure its links, rules or addresses, seccomp ${seccomp}`, compiler, async () => {
    using attacks = new Attacks("capability-attacks");
    const attempts = await attacks.run(["capability-attacks"], ["--seccomp", seccomp]);
    assertResults(attempts, {
      "set-link-flags": "EPERM",
      "set-link-mtu": "EPERM",
      "raw-socket": "EPERM",
      "packet-socket": "EPERM",
      "socket-mark": "EPERM",
    });
    const tries = [
      "ip link set lo down",
      "ip link add d type dummy",
      "ip address add 10.9.9.9/24 dev lo",
      "ip route add default dev lo",
      "ip link set lo netns 1",
      "ip netns add x",
      "nft add table x",
      "ip neigh add 10.0.0.1 lladdr 00:00:00:00:00:01 dev lo",
    ];
    const script = tries.map((line) => `(${line}) 2>/dev/null && echo '${line}'`).join("\n");
    assert.is((await runScript(`${script}\necho done`, ["--seccomp", seccomp])).stdout, "done\n");
  });
}

function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return [
    "127.0.0.1",
    ...all.filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => address),
  ];
}

test("E04 every way out fails, and fails fast", root, async () => {
  const server = createServer((socket) => socket.end("reached\n"));
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  const { port } = server.address() as { port: number };
  const bash = (address: string, at: number | string) => `timeout 5 bash -c 'cat < /dev/tcp/${address}/${at}'`;
  try {
    for (const address of ownAddresses()) {
      const fromHost = await startProgram("bash", ["-c", `cat < /dev/tcp/${address}/${port}`], { input: "" }).ended;
      assert.is(fromHost.stdout.toString(), "reached\n", "the host itself reaches it");
    }
    const ways = [
      ...ownAddresses().map((address) => bash(address, port)),
      ...["192.0.2.1", "169.254.169.254", "10.0.0.1", "8.8.8.8"].map((address) => bash(address, 80)),
      bash("2001:db8::1", 80),
      bash("example.com", 80),
      "timeout 5 getent hosts example.com",
      "timeout 5 bash -c 'echo x > /dev/udp/8.8.8.8/53'",
      "timeout 5 ping -c 1 -W 2 192.0.2.1 >/dev/null",
    ];
    const script = ways
      .map((way) => `${way} 2>/dev/null; [ $? -eq 0 ] && echo "worked"; [ $? -eq 124 ] && echo "slow"`)
      .join("\n");
    const start = performance.now();
    assert.is((await runScript(`${script}\necho done`)).stdout, "done\n");
    assert.ok(performance.now() - start < 20_000, "fast");
  } finally {
    server.close();
  }
});

test("N06 two jobs do not share a loopback", root, async () => {
  await using zygote = await TestZygote.open();
  const listen =
    'use IO::Socket::INET; my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => 7777) or die; sleep 1000';
  const one = await zygote.start({ argv: ["perl", "-e", listen] });
  const other = await zygote.run("timeout 2 bash -c 'echo > /dev/tcp/127.0.0.1/7777' && echo reached");
  assert.is(other.stdout, "");
  process.kill(one.initPid, "SIGKILL");
  await one.finished.catch(() => {});
});
