import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import { initAuthority, issueUser, openAuthority } from "../../src/certs/authority.ts";
import { revokeCertificates } from "../../src/certs/revocation.ts";
import { OpensslAuthority, readPair, temporaryFolder } from "../support/openssl.ts";
import { requires, suite } from "../support/suite.ts";
import { failureOf, looseClient, podiumClient, startPeersServer } from "../support/tls-peers.ts";

const test = suite("reload of certificates");
const hosts = "DNS:localhost,IP:127.0.0.1";

test("T12 a certificate revoked by podium certs is refused after a reload, on new and old connections", async () => {
  using folder = temporaryFolder("tls");
  const file = (name: string): string => join(folder.path, name);
  initAuthority({ folder: folder.path, hosts: [], days: 1, replace: false });
  const authority = openAuthority(folder.path);
  for (const name of ["alice", "bob"]) {
    issueUser(authority, { name, role: "user", server: "localhost:1", days: 1, replace: false });
  }
  const files = { ca: file("ca.crt"), cert: file("server.crt"), key: file("server.key"), crl: file("ca.crl") };
  using server = await startPeersServer(files);
  const server0 = `localhost:${server.port}`;
  using old = podiumClient({ profile: file("alice.podium"), server: server0 });
  using bob = podiumClient({ profile: file("bob.podium"), server: server0 });
  assert.is((await old.who()).user, "alice");
  assert.is((await bob.who()).user, "bob");

  const [serial = ""] = revokeCertificates(authority, "alice");
  server.tls.reload();
  const refused = await failureOf(old.who());
  assert.is(refused.code, status.UNAUTHENTICATED);
  assert.is(refused.details, `the client certificate ${serial} is revoked`);
  using fresh = podiumClient({ profile: file("alice.podium"), server: server0 });
  assert.is((await failureOf(fresh.who())).code, status.UNAVAILABLE);
  assert.is((await bob.who()).user, "bob");
  using freshBob = podiumClient({ profile: file("bob.podium"), server: server0 });
  assert.is((await freshBob.who()).user, "bob");
});

test("T12 a certificate revoked with openssl ca is refused after a reload", requires("openssl"), async () => {
  using folder = temporaryFolder("tls");
  const authority = new OpensslAuthority(folder.path, "site CA");
  authority.writeCrl();
  const pair = authority.issue({ subject: "/CN=server", purpose: "server", hosts });
  const [alice, bob] = [authority.issue({ subject: "/CN=alice" }), authority.issue({ subject: "/CN=bob" })];
  using server = await startPeersServer({ ca: authority.cert, crl: authority.crl, ...pair });
  using before = looseClient(server.port, readPair(alice));
  assert.is((await before.who()).user, "alice");
  authority.revoke(alice.cert);
  authority.writeCrl();
  server.tls.reload();
  using after = looseClient(server.port, readPair(alice));
  assert.is((await failureOf(after.who())).code, status.UNAVAILABLE);
  assert.is((await failureOf(before.who())).code, status.UNAUTHENTICATED);
  using other = looseClient(server.port, readPair(bob));
  assert.is((await other.who()).user, "bob");
});

test("T13 the authority is rotated under running streams", requires("openssl"), async () => {
  using folder = temporaryFolder("tls");
  const [older, newer] = [new OpensslAuthority(folder.path, "old CA"), new OpensslAuthority(folder.path, "new CA")];
  const files = { ca: join(folder.path, "ca"), cert: join(folder.path, "cert"), key: join(folder.path, "key") };
  const install = (authority: OpensslAuthority): void => {
    const pair = authority.issue({ subject: "/CN=server", purpose: "server", hosts });
    copyFileSync(pair.cert, files.cert);
    copyFileSync(pair.key, files.key);
  };
  const trust = (...authorities: OpensslAuthority[]): void => {
    writeFileSync(files.ca, authorities.map(({ cert }) => readFileSync(cert, "utf8")).join(""));
  };
  install(older);
  trust(older);
  const [alice, bob] = [older.issue({ subject: "/CN=alice" }), newer.issue({ subject: "/CN=bob" })];
  using server = await startPeersServer(files);
  const address = `localhost:${server.port}`;
  using aliceClient = podiumClient({ server: address, ca: older.cert, ...alice });
  using stream = aliceClient.watch();
  assert.is(await stream.next(), "alice");
  using tooEarly = looseClient(server.port, readPair(bob));
  assert.is((await failureOf(tooEarly.who())).code, status.UNAVAILABLE);

  trust(older, newer);
  server.tls.reload();
  for (const [name, pair] of [
    ["alice", alice],
    ["bob", bob],
  ] as const) {
    using client = podiumClient({ server: address, ca: older.cert, ...pair });
    assert.is((await client.who()).user, name);
  }

  install(newer);
  trust(newer);
  server.tls.reload();
  server.tick("still here");
  assert.is(await stream.next(), "still here");
  using bobClient = podiumClient({ server: address, ca: newer.cert, ...bob });
  assert.is((await bobClient.who()).user, "bob");
  const late = await failureOf(aliceClient.who());
  assert.is(late.code, status.UNAUTHENTICATED);
  assert.match(late.details, "no longer trusted");
  using aliceAgain = looseClient(server.port, readPair(alice));
  assert.is((await failureOf(aliceAgain.who())).code, status.UNAVAILABLE);
});

test("a reload with a wrong file throws and changes nothing", requires("openssl"), async () => {
  using folder = temporaryFolder("tls");
  const authority = new OpensslAuthority(folder.path, "site CA");
  const pair = authority.issue({ subject: "/CN=server", purpose: "server", hosts });
  const alice = authority.issue({ subject: "/CN=alice" });
  using server = await startPeersServer({ ca: authority.cert, ...pair });
  copyFileSync(alice.key, pair.key);
  assert.throws(
    () => server.tls.reload(),
    (error: Error) => error.message === `${pair.key}: the key does not belong to the certificate ${pair.cert}`,
  );
  using client = looseClient(server.port, readPair(alice));
  assert.is((await client.who()).user, "alice");
});
