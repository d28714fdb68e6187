import { chmodSync, copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { initAuthority } from "../../src/certs/authority.ts";
import { CredentialError } from "../../src/certs/failure.ts";
import { MutualTls } from "../../src/server/credentials.ts";
import { type ServerFiles, serverFiles } from "../../src/server/tls-files.ts";
import {
  fromNow,
  OpensslAuthority,
  type OpensslRequest,
  openssl,
  rsaKey,
  temporaryFolder,
} from "../support/openssl.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("the server's certificate files");

function problem(files: ServerFiles, now = new Date()): CredentialError {
  try {
    MutualTls.load(files, now);
  } catch (error) {
    assert.instance(error, CredentialError);
    return error as CredentialError;
  }
  throw new Error("the files were accepted");
}

test("without flags they are those of podium certs init, with its revocation list", () => {
  const { ca, cert, key, crl } = serverFiles({}, "/nonexistent");
  assert.equal(
    [ca, cert, key, crl],
    ["/nonexistent/ca.crt", "/nonexistent/server.crt", "/nonexistent/server.key", undefined],
  );
  assert.is(serverFiles({}).ca, "/etc/podium/ca.crt");
  using folder = temporaryFolder("certs");
  initAuthority({ folder: folder.path, hosts: [], days: 1, replace: false });
  assert.is(serverFiles({}, folder.path).crl, join(folder.path, "ca.crl"));
  assert.is(serverFiles({ ca: join(folder.path, "ca.crt") }, "/nonexistent").crl, join(folder.path, "ca.crl"));
  assert.is(serverFiles({ crl: "/x" }, folder.path).crl, "/x");
});

test("a missing file, and one that holds something else, is named with the mend", () => {
  using folder = temporaryFolder("certs");
  initAuthority({ folder: folder.path, hosts: [], days: 1, replace: false });
  const files = serverFiles({}, folder.path);
  const missing = problem({ ...files, ca: "/nonexistent/ca.crt" });
  assert.is(missing.message, "/nonexistent/ca.crt: cannot read: no such file or folder");
  assert.match(missing.mend, "podium certs init");
  assert.is(problem({ ...files, cert: files.key }).message, `${files.key}: holds no certificate in PEM form`);
  assert.is(problem({ ...files, key: files.cert }).message, `${files.cert}: holds no private key in PEM form`);
  assert.is(problem({ ...files, crl: files.ca }).message, `${files.ca}: holds no revocation list in PEM form`);
  const authorityKey = join(folder.path, "ca.key");
  const pair = `${authorityKey}: the key does not belong to the certificate ${files.cert}`;
  assert.is(problem({ ...files, key: authorityKey }).message, pair);
  assert.match(problem({ ...files, ca: files.cert }).message, "is not that of a certificate authority");
});

test("a private key that every user can read is refused, one for a group is not", () => {
  using folder = temporaryFolder("certs");
  initAuthority({ folder: folder.path, hosts: [], days: 1, replace: false });
  const files = serverFiles({}, folder.path);
  chmodSync(files.key, 0o644);
  const { message, mend } = problem(files);
  assert.is(message, `${files.key}: every user of this machine can read this private key`);
  assert.is(mend, `chmod 600 ${files.key}`);
  chmodSync(files.key, 0o640);
  MutualTls.load(files);
});

test("expired, early, weak and misused certificates are refused at the start", requires("openssl"), () => {
  using folder = temporaryFolder("certs");
  const authority = new OpensslAuthority(folder.path, "site CA");
  const message = (request: Partial<OpensslRequest>): string => {
    const pair = authority.issue({ subject: "/CN=server", purpose: "server", ...request });
    return problem({ ca: authority.cert, ...pair }).message;
  };
  assert.match(message({ start: fromNow(-3), end: fromNow(-1) }), "the certificate expired on");
  assert.match(message({ start: fromNow(1), end: fromNow(3) }), "the certificate is not valid before");
  assert.match(message({ key: rsaKey(1024) }), "its RSA key of 1024 bits is too weak");
  assert.match(message({ purpose: "client" }), "the certificate is not for a server");
  const pair = authority.issue({ subject: "/CN=server", purpose: "unsaid" });
  MutualTls.load({ ca: authority.cert, ...pair });
  const expired = problem({ ca: authority.cert, ...pair }, fromNow(400));
  assert.match(expired.message, `${authority.cert}: the certificate expired on`);
});

test("a key with a pass phrase is refused", requires("openssl"), () => {
  using folder = temporaryFolder("certs");
  initAuthority({ folder: folder.path, hosts: [], days: 1, replace: false });
  const files = serverFiles({}, folder.path);
  const locked = join(folder.path, "locked.key");
  openssl("pkey", "-in", files.key, "-aes256", "-passout", "pass:x", "-out", locked);
  assert.is(problem({ ...files, key: locked }).message, `${locked}: the private key is protected by a pass phrase`);
});

test("each authority needs its own revocation list, signed by it and current", requires("openssl"), () => {
  using folder = temporaryFolder("certs");
  const [one, two] = [new OpensslAuthority(folder.path, "one"), new OpensslAuthority(folder.path, "two")];
  const pair = one.issue({ subject: "/CN=server", purpose: "server" });
  const join2 = (name: string, ...paths: string[]): string => {
    const path = join(folder.path, name);
    writeFileSync(path, paths.map((part) => readFileSync(part, "utf8")).join(""));
    return path;
  };
  one.writeCrl();
  two.writeCrl();
  const both = join2("both.crt", one.cert, two.cert);
  assert.match(problem({ ca: both, ...pair, crl: one.crl }).message, "has no revocation list of the authority CN=two");
  MutualTls.load({ ca: both, ...pair, crl: join2("both.crl", one.crl, two.crl) });
  one.writeCrl(fromNow(-1));
  assert.match(problem({ ca: one.cert, ...pair, crl: one.crl }).message, "the list of CN=one ran out on");
  using elsewhere = temporaryFolder("certs");
  const namesake = new OpensslAuthority(elsewhere.path, "one");
  namesake.writeCrl();
  copyFileSync(namesake.crl, one.crl);
  assert.match(
    problem({ ca: one.cert, ...pair, crl: one.crl }).message,
    "has no revocation list of the authority CN=one",
  );
});

test("what ends soon is told", () => {
  using folder = temporaryFolder("certs");
  initAuthority({ folder: folder.path, hosts: [], days: 10, replace: false });
  const tls = MutualTls.load(serverFiles({}, folder.path));
  assert.is(tls.warnings().length, 1);
  assert.match(tls.warnings()[0] ?? "", `${folder.path}/server.crt: the server's certificate ends on`);
  assert.equal(tls.warnings(new Date(), 5), []);
});
