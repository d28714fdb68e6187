import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { initAuthority, issueUser, openAuthority } from "../../src/certs/authority.ts";
import { expiryWarnings, ownExpiryWarning } from "../../src/certs/expiry.ts";
import { renewCertificate } from "../../src/certs/renewal.ts";
import { listCertificates, revokeCertificates } from "../../src/certs/revocation.ts";
import { MutualTls } from "../../src/server/credentials.ts";
import { serverFiles } from "../../src/server/tls-files.ts";
import { temporaryFolder } from "../support/openssl.ts";
import { suite } from "../support/suite.ts";

const test = suite("renewal and expiry of certificates");
const later = (days: number) => new Date(Date.now() + days * 86_400_000);

function authorityIn(folder: string) {
  initAuthority({ folder, hosts: ["podium.example", "192.0.2.7"], days: 20, replace: false });
  return openAuthority(folder);
}

test("a user's certificate is renewed with its role and server, the one before stays valid", () => {
  using folder = temporaryFolder("certs");
  const authority = authorityIn(folder.path);
  const request = { name: "alice", role: "viewer", server: "podium.example:99", days: 5, replace: false } as const;
  issueUser(authority, request);
  const read = () => new X509Certificate(readFileSync(join(folder.path, "alice.crt")));
  const before = read();
  renewCertificate(authority, { name: "alice", days: 100 });
  const after = read();
  assert.is.not(after.serialNumber, before.serialNumber);
  assert.is(after.subject, before.subject);
  assert.ok(new Date(after.validTo) > later(99));
  const profile = JSON.parse(readFileSync(join(folder.path, "alice.podium"), "utf8"));
  assert.equal([profile.server, profile.certificate], ["podium.example:99", after.toString()]);
  assert.equal(
    listCertificates(folder.path).map(({ name, role, state }) => [name, role, state].join(" ")),
    ["server server valid", "alice viewer valid", "alice viewer valid"],
  );
});

test("the server's certificate is renewed for the same names, and the files serve", () => {
  using folder = temporaryFolder("certs");
  const authority = authorityIn(folder.path);
  const read = () => new X509Certificate(readFileSync(join(folder.path, "server.crt")));
  const before = read();
  renewCertificate(authority, { name: "server", days: 300 });
  assert.is.not(read().serialNumber, before.serialNumber);
  const names = (certificate: X509Certificate) => certificate.subjectAltName?.split(", ").sort();
  assert.equal(names(read()), names(before));
  assert.ok(names(read())?.includes("DNS:podium.example"));
  assert.equal(MutualTls.load(serverFiles({}, folder.path)).warnings(), []);
});

test("what cannot be renewed is refused with the mend", () => {
  using folder = temporaryFolder("certs");
  const authority = authorityIn(folder.path);
  const failure = (name: string, days = 10) => {
    try {
      renewCertificate(authority, { name, days });
      return "renewed";
    } catch (error) {
      return `${(error as Error).message} / ${(error as { mend?: string }).mend}`;
    }
  };
  assert.is(failure("bob"), "bob: no certificate of this name was issued here / podium certs issue bob makes one");
  issueUser(authority, { name: "eve", role: "user", server: "x:1", days: 5, replace: false });
  revokeCertificates(authority, "eve");
  assert.match(failure("eve"), /^eve: every certificate of this name is revoked \/ podium certs issue eve --force/);
  assert.match(failure("ca"), /^ca: an authority is not renewed/);
  assert.match(failure("server", 9999), /^--days 9999: the authority ends on/);
});

test("who is about to lose access is told in time, and not after a renewal", () => {
  using folder = temporaryFolder("certs");
  const authority = authorityIn(folder.path);
  for (const [name, days] of [
    ["alice", 10],
    ["bob", 100],
    ["eve", 3],
  ] as const) {
    issueUser(authority, { name, role: "user", server: "x:1", days, replace: false });
  }
  revokeCertificates(authority, "eve");
  const warnings = (now = new Date()) => expiryWarnings(listCertificates(folder.path, now), now);
  assert.equal(warnings(), [
    "server: the certificate ends in 19 days; to renew it: podium certs renew server",
    "alice: the certificate ends in 9 days; to renew it: podium certs renew alice",
  ]);
  assert.match(warnings(later(11)).join("\n"), /^alice: the certificate has ended on \d{4}-\d\d-\d\d; to renew/m);
  for (const name of ["alice", "server"]) renewCertificate(authority, { name, days: 200 });
  assert.equal(warnings(), []);

  const now = new Date("2026-11-26T12:00:00Z");
  assert.is(ownExpiryWarning("Dec 11 12:00:00 2026 GMT", now), null);
  const told = (validTo: string) => ownExpiryWarning(validTo, now)?.split(";")[0];
  assert.is(told("Dec 10 11:00:00 2026 GMT"), "your certificate ends in 13 days, on 2026-12-10");
  assert.is(told("Nov 28 11:00:00 2026 GMT"), "your certificate ends in 1 day, on 2026-11-28");
  assert.is(told("Nov 26 13:00:00 2026 GMT"), "your certificate ends in less than a day, on 2026-11-26");
});
