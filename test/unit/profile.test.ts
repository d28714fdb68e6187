import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as assert from "uvu/assert";
import { makeCertificate, validityFor } from "../../src/certs/certificate.ts";
import { CredentialError } from "../../src/certs/failure.ts";
import { attribute, nameTypes } from "../../src/certs/name.ts";
import { connectionFor } from "../../src/client/credentials.ts";
import { defaultProfilePath, formatServer, loadProfile, parseServer } from "../../src/client/profile.ts";
import { encodeProfile, type ProfileFile } from "../../src/client/profile-file.ts";
import { serverNameOf } from "../../src/client/server-name.ts";
import { temporaryFolder } from "../support/openssl.ts";
import { suite } from "../support/suite.ts";

const test = suite("profiles");
const nowhere = "/nonexistent";

function makeProfile(name: string, usage: "client" | "server" = "client"): ProfileFile {
  const subject = [attribute(nameTypes.commonName, name)];
  const kind = usage === "client" ? { kind: usage } : { kind: usage, hosts: ["localhost"] };
  const { certificate, key } = makeCertificate(subject, kind, validityFor(1, new Date()));
  return { server: `${name}.example:1`, ca: certificate, certificate, key };
}

function write(path: string, content: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
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

test("a flag wins over a variable, a variable over the profile, each value by itself", () => {
  using folder = temporaryFolder("profile");
  const [alice, bob, carol] = [makeProfile("alice"), makeProfile("bob"), makeProfile("carol")];
  const profile = write(join(folder.path, "alice.podium"), encodeProfile(alice));
  const caOfBob = write(join(folder.path, "bob.ca"), bob.ca);
  const caOfCarol = write(join(folder.path, "carol.ca"), carol.ca);
  const environment = {
    PODIUM_PROFILE: profile,
    PODIUM_SERVER: "variable.example:2",
    PODIUM_CA: caOfBob,
    PODIUM_CERT: "",
  };

  const fromFile = loadProfile({ profile }, {}, nowhere);
  assert.equal(fromFile.server, { host: "alice.example", port: 1 });
  assert.is(fromFile.ca.pem, alice.ca);

  const fromVariables = loadProfile({}, environment, nowhere);
  assert.is(fromVariables.server.host, "variable.example");
  assert.equal(fromVariables.ca, { label: caOfBob, pem: bob.ca });
  assert.is(fromVariables.certificate.pem, alice.certificate);
  assert.is(fromVariables.key.pem, alice.key);

  const fromFlags = loadProfile({ server: "flag.example:3", ca: caOfCarol }, environment, nowhere);
  assert.is(fromFlags.server.host, "flag.example");
  assert.is(fromFlags.ca.pem, carol.ca);

  const bobProfile = write(join(folder.path, "bob.podium"), encodeProfile(bob));
  assert.is(loadProfile({ profile: bobProfile }, { PODIUM_PROFILE: profile }, nowhere).key.pem, bob.key);
});

test("the default profile is ~/.config/podium/default.podium", () => {
  using folder = temporaryFolder("profile");
  write(defaultProfilePath(folder.path), encodeProfile(makeProfile("alice")));
  assert.is(defaultProfilePath(folder.path), join(folder.path, ".config/podium/default.podium"));
  assert.is(loadProfile({}, {}, folder.path).server.host, "alice.example");
});

test("four flags need no profile, not even a readable one", () => {
  using folder = temporaryFolder("profile");
  const { ca, certificate, key } = makeProfile("alice");
  const path = (name: string): string => join(folder.path, name);
  const files = { ca: write(path("ca"), ca), cert: write(path("cert"), certificate), key: write(path("key"), key) };
  const profile = loadProfile({ server: "localhost:7443", ...files }, { PODIUM_PROFILE: path("missing") }, nowhere);
  assert.is(profile.key.pem, key);
});

test("what is missing is named, with the ways to give it", () => {
  using folder = temporaryFolder("profile");
  const none = problem(() => loadProfile({}, {}, nowhere));
  assert.is(none.message, "no server address: there is no profile /nonexistent/.config/podium/default.podium");
  assert.is(
    none.mend,
    "pass --profile NAME.podium (podium certs issue writes it), or --server HOST:PORT, or set PODIUM_SERVER",
  );
  const { server, ca, certificate } = makeProfile("alice");
  const profile = write(join(folder.path, "alice.podium"), JSON.stringify({ server, ca, certificate }));
  assert.is(problem(() => loadProfile({ profile }, {}, nowhere)).message, `no private key: ${profile} has none`);
  const missing = problem(() => loadProfile({ profile: "/nonexistent/x.podium" }, {}, nowhere));
  assert.is(missing.message, "/nonexistent/x.podium: cannot read: no such file or folder");
});

test("a profile that is none is refused by name", () => {
  using folder = temporaryFolder("profile");
  const messageFor = (text: string): string => {
    const profile = write(join(folder.path, "x.podium"), text);
    return problem(() => loadProfile({ profile }, {}, nowhere)).message.replace(`${folder.path}/`, "");
  };
  assert.match(messageFor("not json"), /^x\.podium: not a profile: /);
  assert.is(messageFor("[]"), "x.podium: not a profile: not a JSON object");
  assert.is(messageFor('{"sever": "a:1"}'), 'x.podium: unknown field "sever"');
  assert.is(messageFor('{"server": 7}'), 'x.podium: field "server" is not a text');
});

test("server addresses", () => {
  for (const text of ["localhost:7443", "192.0.2.1:1", "[::1]:65535", "a-b.example.org:80"]) {
    assert.is(formatServer(parseServer(text)), text);
  }
  for (const text of [
    "localhost",
    ":7443",
    "localhost:0",
    "localhost:65536",
    "::1:7443",
    "[localhost]:1",
    "a b:1",
    "x:y",
  ]) {
    assert.is(problem(() => parseServer(text)).message, `server ${JSON.stringify(text)}: not HOST:PORT`);
  }
});

test("credentials are checked before a connection is tried", () => {
  using folder = temporaryFolder("profile");
  const messageFor = (profile: ProfileFile, now = new Date()): string => {
    const path = write(join(folder.path, "x.podium"), encodeProfile(profile));
    const message = problem(() => connectionFor(loadProfile({ profile: path }, {}, nowhere), now)).message;
    return message.replaceAll(`${folder.path}/`, "");
  };
  const [alice, bob] = [makeProfile("alice"), makeProfile("bob")];
  const pair = "x.podium: key: the key does not belong to the certificate x.podium: certificate";
  assert.is(messageFor({ ...alice, key: bob.key }), pair);
  assert.is(
    messageFor({ ...alice, certificate: alice.key }),
    "x.podium: certificate: holds no certificate in PEM form",
  );
  assert.is(messageFor({ ...alice, key: alice.certificate }), "x.podium: key: holds no private key in PEM form");
  assert.is(messageFor({ ...alice, ca: "x" }), "x.podium: ca: holds no certificate in PEM form");
  assert.match(
    messageFor(alice, new Date(Date.now() + 2 * 86_400_000)),
    /^x\.podium: certificate: the certificate expired on/,
  );
  assert.match(messageFor(alice, new Date(Date.now() - 86_400_000)), "is not valid before");
  assert.match(messageFor(makeProfile("alice", "server")), "the certificate is not for a client");
});

test("targets are spelt for grpc-js, and no address is sent as a server name", () => {
  using folder = temporaryFolder("profile");
  const profile = write(join(folder.path, "x.podium"), encodeProfile(makeProfile("alice")));
  const connect = (server: string) => connectionFor(loadProfile({ profile, server }, {}, nowhere));
  assert.is(connect("podium.example:7443").target, "dns:podium.example:7443");
  assert.is(connect("192.0.2.1:7443").target, "ipv4:192.0.2.1:7443");
  assert.is(connect("[::1]:7443").target, "ipv6:[::1]:7443");
  assert.equal(serverNameOf({ host: "podium.example", port: 7443 }), { servername: "podium.example" });
  for (const host of ["192.0.2.1", "::1"]) assert.equal(serverNameOf({ host, port: 7443 }), {});
});
