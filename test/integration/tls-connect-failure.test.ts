import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { initAuthority, issueUser, openAuthority } from "../../src/certs/authority.ts";
import { revokeCertificates } from "../../src/certs/revocation.ts";
import { type ConnectFailure, explainConnectFailure } from "../../src/client/connect-failure.ts";
import type { ConnectionFlags } from "../../src/client/profile.ts";
import { OpensslAuthority, temporaryFolder } from "../support/openssl.ts";
import { requires, suite } from "../support/suite.ts";
import { failureOf, podiumClient, startPeersServer } from "../support/tls-peers.ts";

const test = suite("why a connection failed");

function makeSite(folder: string) {
  initAuthority({ folder, hosts: [], days: 1, replace: false });
  issueUser(openAuthority(folder), { name: "alice", role: "user", server: "localhost:1", days: 1, replace: false });
  const file = (name: string): string => join(folder, name);
  const files = { ca: file("ca.crt"), cert: file("server.crt"), key: file("server.key"), crl: file("ca.crl") };
  return { files, profile: file("alice.podium") };
}

/** What the failure of a real call is explained as. */
async function explanation(flags: ConnectionFlags): Promise<ConnectFailure> {
  using client = podiumClient(flags);
  return explainConnectFailure(await failureOf(client.who()), client.connection);
}

/** A TCP server that does the same to everybody. */
async function listen(onConnection: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
  const server = createServer(onConnection);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

test("nothing listens", async () => {
  using folder = temporaryFolder("tls");
  const { profile } = makeSite(folder.path);
  const { server, port } = await listen(() => {});
  await new Promise((resolve) => server.close(resolve));
  const { kind, message } = await explanation({ profile, server: `127.0.0.1:${port}` });
  assert.is(kind, "unreachable");
  assert.is(message, `cannot connect to 127.0.0.1:${port}: nothing listens there`);
});

test("the host name is not known", async () => {
  using folder = temporaryFolder("tls");
  const { profile } = makeSite(folder.path);
  const { kind, message } = await explanation({ profile, server: "nowhere.invalid:7443" });
  assert.is(kind, "unknown-host");
  assert.is(message, "cannot connect to nowhere.invalid:7443: the name nowhere.invalid is not known");
});

test("something else answers, in plain text or by closing", async () => {
  using folder = temporaryFolder("tls");
  const { profile } = makeSite(folder.path);
  for (const behave of ["HTTP/1.1 400 Bad Request\r\n\r\n", ""]) {
    const { server, port } = await listen((socket) => {
      socket.on("error", () => {}); // the client ends as it likes
      socket.end(behave);
    });
    try {
      const { kind } = await explanation({ profile, server: `127.0.0.1:${port}` });
      assert.is(kind, "not-podium");
    } finally {
      server.close();
    }
  }
});

test("the server's certificate comes from another authority", async () => {
  using folder = temporaryFolder("tls");
  using elsewhere = temporaryFolder("tls");
  const { profile } = makeSite(folder.path);
  using server = await startPeersServer(makeSite(elsewhere.path).files);
  const { kind, message } = await explanation({ profile, server: `127.0.0.1:${server.port}` });
  assert.is(kind, "server-untrusted");
  assert.match(message, `cannot trust 127.0.0.1:${server.port}: its certificate does not come from the authority`);
});

test("the server refuses the client's certificate", async () => {
  using folder = temporaryFolder("tls");
  const { files, profile } = makeSite(folder.path);
  using server = await startPeersServer(files);
  const flags = { profile, server: `localhost:${server.port}` };
  const [serial = ""] = revokeCertificates(openAuthority(folder.path), "alice");
  server.tls.reload();
  const { kind, message } = await explanation(flags);
  assert.is(kind, "certificate-refused");
  assert.is(message, `localhost:${server.port} refused the client certificate ${serial} (CN=alice)`);
});

test("the server's certificate is for another host", requires("openssl"), async () => {
  using folder = temporaryFolder("tls");
  const authority = new OpensslAuthority(folder.path, "site CA");
  const pair = authority.issue({ subject: "/CN=server", purpose: "server", hosts: "DNS:podium.example,IP:192.0.2.7" });
  using server = await startPeersServer({ ca: authority.cert, ...pair });
  const alice = authority.issue({ subject: "/CN=alice" });
  for (const host of ["127.0.0.1", "localhost"]) {
    const { kind, message } = await explanation({ server: `${host}:${server.port}`, ca: authority.cert, ...alice });
    assert.is(kind, "server-name");
    const names = "podium.example, 192.0.2.7";
    assert.is(message, `cannot trust ${host}:${server.port}: its certificate is not for ${host}, but for ${names}`);
  }
});

test("the server answers again by the time one asks", async () => {
  using folder = temporaryFolder("tls");
  const { files, profile } = makeSite(folder.path);
  using server = await startPeersServer(files);
  using client = podiumClient({ profile, server: `localhost:${server.port}` });
  const { kind } = await explainConnectFailure(new Error("14 UNAVAILABLE: Connection dropped"), client.connection);
  assert.is(kind, "lost");
});
