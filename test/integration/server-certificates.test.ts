// The certificates of a running server: files that change, SIGHUP, revocation, and warnings.
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { status } from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import { issueUser, openAuthority } from "../../src/certs/authority.ts";
import { renewCertificate } from "../../src/certs/renewal.ts";
import { revokeCertificates } from "../../src/certs/revocation.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { failureOf } from "../support/tls-peers.ts";
import { collect } from "./api-client.ts";
import { LiveServer, until } from "./live-server.ts";

const test = suite("certificates of a running server");
const root = requires("root", "libseccomp");

/** Serial number of the certificate that the server shows to a new connection. */
async function shownSerial(server: LiveServer): Promise<string> {
  const { secureContext } = server.connectionOf("alice");
  const socket = connectTls({
    host: "127.0.0.1",
    port: server.port,
    secureContext,
    checkServerIdentity: () => undefined,
  });
  await once(socket, "secureConnect");
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

test("T12 new files are taken by themselves and on SIGHUP, a running stream and a connection stay", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const id = await api.startId(
    "read line < /dev/null; i=0; while [ $i -lt 80 ]; do echo $i; i=$((i+1)); sleep 0.1; done",
  );
  const output = collect(api.log({ id }));
  const before = await shownSerial(server);
  const authority = openAuthority(server.certs);
  renewCertificate(authority, { name: "server", days: 100 });
  await until("the new certificate is shown", async () => (await shownSerial(server)) !== before);
  const between = await shownSerial(server);
  renewCertificate(authority, { name: "server", days: 100 });
  process.kill(server.pid, "SIGHUP");
  await until("SIGHUP", async () => (await shownSerial(server)) !== between);

  const bob = server.api("bob");
  await bob.list();
  const [serial = ""] = revokeCertificates(authority, "bob");
  await until("the list is read", () =>
    bob.list().then(
      () => false,
      () => true,
    ),
  );
  const refused = await failureOf(bob.list());
  assert.equal(
    [refused.code, refused.details],
    [status.UNAUTHENTICATED, `the client certificate ${serial} is revoked`],
  );
  assert.is((await failureOf(server.api("bob").list())).code, status.UNAVAILABLE);
  const lines = readFileSync(join(server.data, "audit", "audit-000001.ndjson"), "utf8").split("\n");
  const told = lines.filter((line) => line.includes(serial) && line.includes('"refused"'));
  assert.ok(told.some((line) => line.includes('"call":"Jobs/List"') && line.includes("is revoked")));
  await until("the handshake's refusal is written", () =>
    readFileSync(join(server.data, "audit", "audit-000001.ndjson"), "utf8").includes("CERT_REVOKED"),
  );
  await api.stop({ id, graceMs: 0n });
  assert.match(String((await output).stdout), /^0\n1\n2\n3\n/);
});

test("a wrong file is told and changes nothing; the mended one is taken", root, async () => {
  await using server = await LiveServer.start();
  const key = readFileSync(join(server.certs, "server.key"));
  rmSync(join(server.certs, "server.key"));
  const says = (text: string) => server.log.some(({ msg }) => String(msg).includes(text));
  await until("the error", () => says("certificates not reloaded; the old ones stay"));
  await server.api().list();
  writeFileSync(join(server.certs, "server.key"), key, { mode: 0o600 });
  await until("the reload", () => says("certificates reloaded"));
  await server.api().list();
});

test("a user is warned on stderr that the certificate ends soon, the administrator in the log", root, async () => {
  await using server = await TestServer.start();
  const request = { name: "short", role: "user", server: server.address, days: 3, replace: false } as const;
  issueUser(openAuthority(server.certs), request);
  const warned = await server.podium("alice", ["ps", "--profile", join(server.certs, "short.podium")]);
  assert.is(warned.code, 0);
  assert.match(warned.stderr, /^podium: your certificate ends in 2 days, on \d{4}-\d\d-\d\d; ask the administrator/);
  assert.is((await server.podium("alice", ["ps"])).stderr, "");
  const listed = await server.podium("alice", ["certs", "list", "--dir", server.certs]);
  assert.match(
    listed.stderr,
    /^podium: short: the certificate ends in 2 days; to renew it: podium certs renew short\n/m,
  );
  const renewed = await server.podium("alice", ["certs", "renew", "short", "--dir", server.certs]);
  assert.match(renewed.stdout, /^wrote .*short\.key\nwrote .*short\.crt\nwrote .*short\.podium\nnext: give short/);
  const after = await server.podium("alice", ["ps", "--profile", join(server.certs, "short.podium")]);
  assert.equal([after.code, after.stderr], [0, ""]);
  assert.match(server.log, /server\.crt: the server's certificate ends on /);
});
