import type { SecureVersion } from "node:tls";
import { status } from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import {
  fromNow,
  OpensslAuthority,
  type OpensslPair,
  readPair,
  rsaKey,
  selfSigned,
  temporaryFolder,
} from "../support/openssl.ts";
import { requires, suite } from "../support/suite.ts";
import {
  failureOf,
  handshake,
  looseClient,
  type PeersServer,
  plaintextClient,
  podiumClient,
  startPeersServer,
} from "../support/tls-peers.ts";

const test = suite("mutual TLS");

interface Site {
  readonly folder: string;
  readonly authority: OpensslAuthority;
  readonly server: PeersServer;
  [Symbol.dispose](): void;
}

/** A server whose certificates come from plain openssl. */
async function opensslSite(): Promise<Site> {
  const folder = temporaryFolder("tls");
  const authority = new OpensslAuthority(folder.path, "site CA");
  const hosts = "DNS:localhost,IP:127.0.0.1,IP:::1";
  const pair = authority.issue({ subject: "/CN=some server", purpose: "server", hosts });
  const server = await startPeersServer({ ca: authority.cert, ...pair });
  const dispose = (): void => {
    server[Symbol.dispose]();
    folder[Symbol.dispose]();
  };
  return { folder: folder.path, authority, server, [Symbol.dispose]: dispose };
}

/** Neither call type gets through, no handler runs, and a good certificate does get through. */
async function assertRefused(site: Site, pair: OpensslPair | null): Promise<void> {
  using client = looseClient(site.server.port, pair === null ? {} : readPair(pair));
  assert.is((await failureOf(client.who())).code, status.UNAVAILABLE);
  using stream = client.watch();
  assert.is((await failureOf(stream.next())).code, status.UNAVAILABLE);
  assert.is(site.server.calls(), 0, "a handler ran");

  using good = looseClient(site.server.port, readPair(site.authority.issue({ subject: "/CN=control" })));
  assert.is((await good.who()).user, "control");
}

test("T01 a client without a certificate is refused", requires("openssl"), async () => {
  using site = await opensslSite();
  await assertRefused(site, null);
});

test(
  "T02 a self-signed certificate, and one of another authority of the same name, are refused",
  requires("openssl"),
  async () => {
    using site = await opensslSite();
    await assertRefused(site, selfSigned(site.folder, "/CN=alice"));
    using elsewhere = temporaryFolder("tls");
    const namesake = new OpensslAuthority(elsewhere.path, "site CA");
    using client = looseClient(site.server.port, readPair(namesake.issue({ subject: "/CN=alice" })));
    assert.is((await failureOf(client.who())).code, status.UNAVAILABLE);
  },
);

test("T03 an expired certificate is refused", requires("openssl"), async () => {
  using site = await opensslSite();
  await assertRefused(site, site.authority.issue({ subject: "/CN=alice", start: fromNow(-9), end: fromNow(-0.001) }));
});

test("T04 a certificate that is not yet valid is refused", requires("openssl"), async () => {
  using site = await opensslSite();
  await assertRefused(site, site.authority.issue({ subject: "/CN=alice", start: fromNow(0.01), end: fromNow(9) }));
});

test("T05 a certificate for servers only is refused as a client's", requires("openssl"), async () => {
  using site = await opensslSite();
  await assertRefused(site, site.authority.issue({ subject: "/CN=alice", purpose: "server" }));
});

test("T06 a certificate without one proper CommonName is refused, unary and stream", requires("openssl"), async () => {
  using site = await opensslSite();
  const subjects = [
    ["/O=podium:admin", /no CommonName/],
    ["/CN=alice/CN=bob", /2 CommonNames/],
    ["/CN=alice\\/CN=bob", /not a user name/],
    ["/CN=alice bob", /not a user name/],
    ["/CN=-alice", /not a user name/],
    ["/CN=ålice", /not a user name/],
  ] as const;
  for (const [subject, expected] of subjects) {
    using client = looseClient(site.server.port, readPair(site.authority.issue({ subject })));
    using stream = client.watch();
    for (const failure of [await failureOf(client.who()), await failureOf(stream.next())]) {
      assert.is(failure.code, status.UNAUTHENTICATED, subject);
      assert.match(failure.details, expected);
    }
  }
});

test("T07 RSA keys of 512 and 1024 bits are refused, 2048 bits are not", requires("openssl"), async () => {
  using site = await opensslSite();
  await assertRefused(site, site.authority.issue({ subject: "/CN=alice", key: rsaKey(1024) }));
  using tiny = looseClient(
    site.server.port,
    readPair(site.authority.issue({ subject: "/CN=alice", key: rsaKey(512) })),
  );
  assert.is((await failureOf(tiny.who())).code, status.UNAVAILABLE);
  using strong = looseClient(
    site.server.port,
    readPair(site.authority.issue({ subject: "/CN=alice", key: rsaKey(2048) })),
  );
  assert.is((await strong.who()).user, "alice");
});

test("T08 TLS 1.0, 1.1 and 1.2 and weak suites are refused", requires("openssl"), async () => {
  using site = await opensslSite();
  const pair = readPair(site.authority.issue({ subject: "/CN=alice" }));
  const loose = { ...pair, ciphers: "ALL:TLS_AES_128_GCM_SHA256:@SECLEVEL=0" };
  const assertVersions = async (): Promise<void> => {
    for (const version of ["TLSv1", "TLSv1.1", "TLSv1.2"] as const satisfies readonly SecureVersion[]) {
      const old = await handshake(site.server.port, { ...loose, minVersion: "TLSv1", maxVersion: version });
      assert.not(old.accepted, version);
      assert.match(old.error, /PROTOCOL_VERSION/);
    }
    const current = await handshake(site.server.port, { ...loose, minVersion: "TLSv1" });
    assert.is(current.protocol, "TLSv1.3");
    assert.ok(current.accepted);
  };
  await assertVersions();
  for (const suite of ["TLS_AES_128_CCM_8_SHA256", "TLS_AES_128_CCM_SHA256"]) {
    const weak = await handshake(site.server.port, { ...pair, ciphers: suite, minVersion: "TLSv1.3" });
    assert.not(weak.accepted, suite);
    assert.match(weak.error, /HANDSHAKE_FAILURE/);
  }
  site.server.tls.reload();
  await assertVersions();
});

test("T10 two certificates with the same CommonName are the same user", requires("openssl"), async () => {
  using site = await opensslSite();
  using first = looseClient(site.server.port, readPair(site.authority.issue({ subject: "/CN=alice" })));
  using second = looseClient(
    site.server.port,
    readPair(site.authority.issue({ subject: "/CN=alice", key: rsaKey(2048) })),
  );
  const [one, other] = [await first.who(), await second.who()];
  assert.is(one.user, "alice");
  assert.is(other.user, "alice");
  assert.is.not(one.serial, other.serial);
});

test("T11 plaintext HTTP/2 to the port is refused", requires("openssl"), async () => {
  using site = await opensslSite();
  using client = plaintextClient(site.server.port);
  assert.is((await failureOf(client.who())).code, status.UNAVAILABLE);
  assert.is(site.server.calls(), 0);
});

test(
  "a session of an earlier connection is not resumed, for it would not be checked again",
  requires("openssl"),
  async () => {
    using site = await opensslSite();
    const options = { ...readPair(site.authority.issue({ subject: "/CN=alice" })), minVersion: "TLSv1.3" as const };
    const first = await handshake(site.server.port, options);
    assert.ok(first.accepted);
    const again = await handshake(site.server.port, {
      ...options,
      ...(first.session ? { session: first.session } : {}),
    });
    assert.ok(again.accepted);
    assert.not(again.reused);
  },
);

test("certificates made with plain openssl work, with every kind of key", requires("openssl"), async () => {
  using site = await opensslSite();
  const keys = [rsaKey(3072), ["-algorithm", "ED25519"], ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]];
  for (const key of keys) {
    const pair = site.authority.issue({
      subject: "/C=SE/O=acme/O=podium:viewer/CN=al.ice@acme-1",
      purpose: "unsaid",
      key,
    });
    for (const host of ["localhost", "127.0.0.1"]) {
      using client = podiumClient({ server: `${host}:${site.server.port}`, ca: site.authority.cert, ...pair });
      const { user, role } = await client.who();
      assert.equal({ user, role }, { user: "al.ice@acme-1", role: "viewer" });
    }
  }
});
