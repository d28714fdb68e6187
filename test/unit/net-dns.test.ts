import * as assert from "uvu/assert";
import { hostsFile, resolverFrom } from "../../net/dns.ts";
import { suite } from "../support/suite.ts";

const test = suite("names in a job");

test("a host's own servers are taken over, with search domains and options", () => {
  const host =
    "# comment\nsearch a.example b.example\noptions ndots:2\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n";
  const { text, nameservers, note } = resolverFrom(host, null);
  assert.is(text, "search a.example b.example\noptions ndots:2\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n");
  assert.equal(nameservers, ["192.0.2.53", "2001:db8::53"]);
  assert.is(note, "");
});

test("a loopback stub is replaced by the servers that it asks", () => {
  const { nameservers, text } = resolverFrom(
    "nameserver 127.0.0.53\noptions edns0\n",
    "nameserver 192.0.2.1\nsearch x\n",
  );
  assert.equal(nameservers, ["192.0.2.1"]);
  assert.is(text, "search x\nnameserver 192.0.2.1\n");
});

test("loopback servers beside others are left out, and so are link-local ones and those with a zone", () => {
  const host = ["127.0.0.1", "192.0.2.1", "::1", "fe80::1", "fe80::1%eth0", "169.254.169.253", "0.0.0.0", "nonsense"];
  const { nameservers } = resolverFrom(host.map((server) => `nameserver ${server}\n`).join(""), "nameserver 192.0.2.9");
  assert.equal(nameservers, ["192.0.2.1"]);
});

test("no more than three servers are named, each once", () => {
  const host = ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"];
  const { nameservers } = resolverFrom(host.map((server) => `nameserver ${server}\n`).join(""), null);
  assert.equal(nameservers, ["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
});

test("a stub with nothing behind it is said, not hidden", () => {
  for (const [host, systemd, why] of [
    ["nameserver 127.0.0.1\n", null, "/etc/resolv.conf names no server that is reachable from another namespace"],
    ["nameserver 127.0.0.53\n", "nameserver 127.0.0.1\n", "/etc/resolv.conf names no server"],
    [null, null, "/etc/resolv.conf is missing"],
  ] as const) {
    const { note, nameservers, text } = resolverFrom(host, systemd);
    assert.ok(note.includes(why), note);
    assert.equal(nameservers, []);
    assert.ok(text.startsWith("# names cannot be resolved in jobs"), text);
  }
});

test("a job knows its own name in both families", () => {
  assert.is(
    hostsFile("job-7.example", ["10.1.0.2", "fd00::2"]),
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.1.0.2\tjob-7.example job-7\nfd00::2\tjob-7.example job-7\n",
  );
  assert.ok(hostsFile("job", ["10.1.0.2", null]).endsWith("\n10.1.0.2\tjob\n"));
});
