import { X509Certificate } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import {
  type InitRequest,
  type IssueRequest,
  initAuthority,
  issueUser,
  openAuthority,
} from "../../src/certs/authority.ts";
import { CredentialError } from "../../src/certs/failure.ts";
import { writeFiles } from "../../src/certs/files.ts";
import { listCertificates, revokeCertificates } from "../../src/certs/revocation.ts";
import { decodeProfile } from "../../src/client/profile-file.ts";
import { openssl, temporaryFolder } from "../support/openssl.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("certificate authority");

function init(folder: string, request: Partial<InitRequest> = {}): string[] {
  return initAuthority({ folder, hosts: [], days: 365, replace: false, ...request });
}

function issue(folder: string, name: string, request: Partial<IssueRequest> = {}): string[] {
  const complete = { name, role: "user", server: "127.0.0.1:7443", days: 365, replace: false, ...request } as const;
  return issueUser(openAuthority(folder), complete);
}

function problem(operation: () => unknown): CredentialError {
  try {
    operation();
  } catch (error) {
    assert.instance(error, CredentialError);
    return error as CredentialError;
  }
  throw new Error("nothing was thrown");
}

test(
  "openssl accepts what was made, to the letter of the standard, and each for its purpose only",
  requires("openssl"),
  () => {
    using folder = temporaryFolder("certs");
    init(folder.path);
    issue(folder.path, "alice");
    const file = (name: string): string => join(folder.path, name);
    const verify = (purpose: string, name: string): string =>
      openssl(
        "verify",
        "-x509_strict",
        "-CAfile",
        file("ca.crt"),
        "-CRLfile",
        file("ca.crl"),
        "-crl_check_all",
        "-purpose",
        purpose,
        file(name),
      );
    assert.match(verify("sslserver", "server.crt"), "OK");
    assert.match(verify("sslclient", "alice.crt"), "OK");
    assert.throws(
      () => verify("sslclient", "server.crt"),
      /unsuitable certificate purpose|unsupported certificate purpose/,
    );
    assert.throws(
      () => verify("sslserver", "alice.crt"),
      /unsuitable certificate purpose|unsupported certificate purpose/,
    );
  },
);

test("the authority lasts ten years, certificates one, serial numbers have 127 bits", () => {
  using folder = temporaryFolder("certs");
  init(folder.path);
  issue(folder.path, "alice");
  const read = (name: string) => new X509Certificate(readFileSync(join(folder.path, name)));
  const days = (certificate: X509Certificate): number =>
    Math.round((Date.parse(certificate.validTo) - Date.now()) / 86_400_000);
  assert.equal(
    ["ca.crt", "server.crt", "alice.crt"].map((name) => days(read(name))),
    [3650, 365, 365],
  );
  const serials = ["ca.crt", "server.crt", "alice.crt"].map((name) => read(name).serialNumber);
  for (const serial of serials) assert.match(serial, /^[4-7][0-9A-F]{31}$/);
  assert.is(new Set(serials).size, 3);
});

test("the server's certificate names localhost, loopback, the machine and every --host", () => {
  using folder = temporaryFolder("certs");
  init(folder.path, { hosts: ["podium.example", "192.0.2.7", "2001:db8::7"] });
  const certificate = new X509Certificate(readFileSync(join(folder.path, "server.crt")));
  for (const name of ["localhost", hostname(), "podium.example"]) assert.ok(certificate.checkHost(name), name);
  for (const address of ["127.0.0.1", "::1", "192.0.2.7", "2001:db8::7"])
    assert.ok(certificate.checkIP(address), address);
  assert.not(certificate.checkHost("other.example"));
  for (const host of ["a b", "a:1", "ålesund.no", "", "-x", "fe80::1%eth0"]) {
    using other = temporaryFolder("certs");
    assert.is(
      problem(() => init(other.path, { hosts: [host] })).message,
      `host ${JSON.stringify(host)}: not a DNS name or IP address`,
    );
    assert.equal(readdirSync(other.path), []);
  }
});

test("keys and profiles are for their owner alone, a new folder too", () => {
  using folder = temporaryFolder("certs");
  const own = join(folder.path, "own");
  const written = [...init(own), ...issue(own, "alice")];
  const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);
  assert.is(mode(own), "700");
  for (const path of written) assert.is(mode(path), /\.(key|podium)$/.test(path) ? "600" : "644", path);
  assert.is(mode(join(own, "issued.ndjson")), "600");
  assert.equal(readdirSync(own).sort(), [...written.map((path) => path.slice(own.length + 1)), "issued.ndjson"].sort());
});

test("an authority or key that exists is never overwritten unless that is asked for", () => {
  using folder = temporaryFolder("certs");
  init(folder.path);
  issue(folder.path, "alice");
  const contents = (): string[] =>
    readdirSync(folder.path).map((name) => readFileSync(join(folder.path, name), "utf8"));
  const before = contents();
  const again = problem(() => init(folder.path));
  assert.is(again.message, `${folder.path}/ca.key: it exists already and is left as it is`);
  assert.match(again.mend, "--force");
  assert.match(problem(() => issue(folder.path, "alice")).message, "alice.crt: it exists already");
  assert.equal(contents(), before);
  issue(folder.path, "alice", { replace: true });
  init(folder.path, { replace: true });
  assert.equal(
    listCertificates(folder.path).map(({ name }) => name),
    ["server"],
  );
  for (const text of before.slice(0, 4)) assert.not(contents().includes(text));
});

test("a file that appears meanwhile is not overwritten, and what was written before it is taken back", () => {
  using folder = temporaryFolder("certs");
  const path = (name: string): string => join(folder.path, name);
  writeFileSync(path("b"), "theirs");
  const files = ["a", "b", "c"].map((name) => ({ path: path(name), content: "ours", mode: 0o600 }));
  assert.is(problem(() => writeFiles(files, false)).message, `${path("b")}: cannot write: it exists already`);
  assert.equal(readdirSync(folder.path), ["b"]);
  assert.is(readFileSync(path("b"), "utf8"), "theirs");
  writeFiles(files, true);
  assert.equal(
    ["a", "b", "c"].map((name) => readFileSync(path(name), "utf8")),
    ["ours", "ours", "ours"],
  );
});

test("user names are checked before anything is written", () => {
  using folder = temporaryFolder("certs");
  init(folder.path);
  const before = readdirSync(folder.path);
  for (const name of ["", "a b", "../x", ".x", "a/b", "a\nb", "a".repeat(65)]) {
    assert.is(problem(() => issue(folder.path, name)).message, `${JSON.stringify(name)}: not a user name`);
  }
  for (const name of ["ca", "server"])
    assert.match(problem(() => issue(folder.path, name)).message, "the authority's own files");
  assert.match(
    problem(() => issue(folder.path, "alice", { days: 3651 })).message,
    "--days 3651: the authority ends on",
  );
  assert.equal(readdirSync(folder.path), before);
});

test("the profile holds what the files hold", () => {
  using folder = temporaryFolder("certs");
  init(folder.path);
  issue(folder.path, "alice", { role: "admin", server: "[::1]:99" });
  const read = (name: string): string => readFileSync(join(folder.path, name), "utf8");
  const expected = { server: "[::1]:99", ca: read("ca.crt"), certificate: read("alice.crt"), key: read("alice.key") };
  assert.equal(decodeProfile(read("alice.podium"), "alice.podium"), expected);
  assert.is(new X509Certificate(read("alice.crt")).subject, "O=podium:admin\nCN=alice");
});

test("revocation by name and by serial number lands in a list that openssl reads", requires("openssl"), () => {
  using folder = temporaryFolder("certs");
  init(folder.path);
  for (const name of ["alice", "bob", "carol"]) issue(folder.path, name);
  const authority = openAuthority(folder.path);
  const serialOf = (name: string): string =>
    listCertificates(folder.path).find((entry) => entry.name === name)?.serial ?? "";
  revokeCertificates(authority, "alice");
  revokeCertificates(authority, serialOf("bob").toLowerCase());
  revokeCertificates(authority, "00:a1:b2:c3:d4:e5:f6:07:18");
  const states = Object.fromEntries(listCertificates(folder.path).map(({ name, state }) => [name, state]));
  assert.equal(states, { server: "valid", alice: "revoked", bob: "revoked", carol: "valid" });
  const file = (name: string): string => join(folder.path, name);
  const text = openssl("crl", "-in", file("ca.crl"), "-noout", "-text", "-CAfile", file("ca.crt"));
  const revoked = [...text.matchAll(/Serial Number: ([0-9A-F]+)/g)].map(([, serial]) => serial);
  assert.equal(revoked, [serialOf("alice"), serialOf("bob"), "A1B2C3D4E5F60718"]);
  assert.match(problem(() => revokeCertificates(authority, "alice")).message, "revoked or expired already");
  assert.match(problem(() => revokeCertificates(authority, "nobody")).message, "no certificate of this name");
});

test(
  "an authority made with plain openssl issues and revokes too, with RSA and Ed25519 keys",
  requires("openssl"),
  () => {
    for (const algorithm of ["RSA", "ED25519"]) {
      using folder = temporaryFolder("certs");
      const file = (name: string): string => join(folder.path, name);
      openssl("genpkey", "-algorithm", algorithm, "-out", file("ca.key"));
      openssl(
        "req",
        "-x509",
        "-new",
        "-key",
        file("ca.key"),
        "-subj",
        "/CN=site",
        "-days",
        "400",
        "-out",
        file("ca.crt"),
      );
      issue(folder.path, "alice");
      revokeCertificates(openAuthority(folder.path), "alice");
      const check = () =>
        openssl("verify", "-CAfile", file("ca.crt"), "-CRLfile", file("ca.crl"), "-crl_check", file("alice.crt"));
      assert.throws(check, /certificate revoked/);
    }
  },
);

test("what cannot be read or written is named", () => {
  using folder = temporaryFolder("certs");
  const none = problem(() => openAuthority(folder.path));
  assert.is(none.message, `${folder.path}/ca.crt: cannot read: no such file or folder`);
  assert.is(none.mend, `make one with: podium certs init --dir ${folder.path}`);
  init(folder.path);
  writeFileSync(join(folder.path, "occupied"), "");
  assert.match(problem(() => init(join(folder.path, "occupied", "x"))).message, "a part of the path is not a folder");
  const other = join(folder.path, "other");
  init(other);
  chmodSync(join(folder.path, "ca.key"), 0o600);
  writeFileSync(join(folder.path, "ca.key"), readFileSync(join(other, "ca.key")));
  assert.match(problem(() => issue(folder.path, "alice")).message, "the key does not belong to the certificate");
  assert.not(existsSync(join(folder.path, "alice.crt")));
});
