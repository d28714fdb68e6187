import { X509Certificate } from "node:crypto";
import { status } from "@grpc/grpc-js";
import * as fc from "fast-check";
import * as assert from "uvu/assert";
import { makeCertificate, validityFor } from "../../src/certs/certificate.ts";
import { tags } from "../../src/certs/der.ts";
import { attribute, type NameAttribute, nameTypes } from "../../src/certs/name.ts";
import { type AuthenticatedCall, IdentityError, identityFrom, identityOf } from "../../src/server/identity.ts";
import { suite } from "../support/suite.ts";

const test = suite("identity");
const commonName = (text: string): NameAttribute => attribute(nameTypes.commonName, text);
const organization = (text: string): NameAttribute => attribute(nameTypes.organization, text);

function certificateOf(...subject: NameAttribute[]): X509Certificate {
  return new X509Certificate(makeCertificate(subject, { kind: "client" }, validityFor(1, new Date())).certificate);
}

function refusal(...subject: NameAttribute[]): string {
  try {
    const { user } = identityFrom(certificateOf(...subject));
    return `was let in as ${user}`;
  } catch (error) {
    assert.instance(error, IdentityError);
    assert.is((error as IdentityError).code, status.UNAUTHENTICATED);
    return (error as IdentityError).details;
  }
}

test("the user is the CommonName; serial, fingerprint and end are the certificate's", () => {
  const certificate = certificateOf(commonName("al.ice_1@acme-x"));
  const identity = identityFrom(certificate);
  assert.is(identity.user, "al.ice_1@acme-x");
  assert.is(identity.role, "user");
  assert.is(identity.serial, certificate.serialNumber);
  assert.is(identity.fingerprint, certificate.fingerprint256);
  assert.is(identity.notAfter.getTime(), Date.parse(certificate.validTo));
});

test("T06 no CommonName, or several", () => {
  assert.is(refusal(), "the client certificate has no CommonName, which names the user");
  assert.is(refusal(organization("podium:admin")), "the client certificate has no CommonName, which names the user");
  const several = "the client certificate has 2 CommonNames, and a user has one";
  assert.is(refusal(commonName("alice"), commonName("bob")), several);
  assert.is(refusal(commonName("alice"), organization("x"), commonName("alice")), several);
});

test("T06 a CommonName that only looks like a user is refused", () => {
  const tricks = [
    "",
    " alice",
    "alice ",
    "alice\n",
    "alice\nCN=bob",
    "alice/CN=root",
    "alice, CN=root",
    "alice\0",
    "alice\0.evil",
    ".alice",
    "-alice",
    "_alice",
    "@alice",
    "аlice",
    "alicé",
    "alice\u200b",
    "ａlice",
    "../alice",
    "a".repeat(65),
    "podium:admin",
  ];
  for (const trick of tricks)
    assert.match(refusal(commonName(trick)), /^the CommonName ".*" of the client certificate is not/);
  assert.is(identityFrom(certificateOf(commonName("a".repeat(64)))).user, "a".repeat(64));
});

test("T06 string types: those of one byte a character are read, the others are refused", () => {
  const typed = (tag: number, value: Buffer): NameAttribute => ({ type: nameTypes.commonName, tag, value });
  for (const tag of [tags.utf8String, tags.printableString, tags.ia5String, tags.teletexString]) {
    assert.is(identityFrom(certificateOf(typed(tag, Buffer.from("alice")))).user, "alice");
  }
  const wide = Buffer.from("alice", "utf16le").swap16();
  assert.match(refusal(typed(tags.bmpString, wide)), "is not a user name");
  // Low bytes that spell alice: a decoder that drops the high ones would let them in.
  const lookalike = Buffer.from([0x01, 0x61, 0x01, 0x6c, 0x01, 0x69, 0x01, 0x63, 0x01, 0x65]);
  assert.match(refusal(typed(tags.bmpString, lookalike)), "is not a user name");
});

test("the role is an Organization to the letter, whichever it is among several", () => {
  const role = (...names: string[]): string =>
    identityFrom(certificateOf(...names.map(organization), commonName("alice"))).role;
  assert.is(role("podium:admin"), "admin");
  assert.is(role("acme", "podium:viewer", "other"), "viewer");
  assert.is(role("podium:admin", "podium:admin"), "admin");
  for (const other of ["acme", "Podium:admin", "podium:admin ", "podium:admin\0", "podium:admin, O=x", "podium:root"]) {
    assert.is(role(other), "user", other);
  }
  const both = refusal(organization("podium:viewer"), organization("podium:admin"), commonName("alice"));
  assert.is(both, "the client certificate names two roles, podium:admin and podium:viewer");
});

test("any CommonName is let in to the letter or not at all", async () => {
  const character = fc.oneof(fc.constantFrom(..."aZ9._@-"), fc.string({ unit: "binary", minLength: 1, maxLength: 1 }));
  const names = fc.array(character, { maxLength: 70 }).map((characters) => characters.join(""));
  const check = (name: string): void => {
    const legal = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/.test(name) && !name.endsWith("\n");
    const outcome = refusal(commonName(name));
    assert.is(outcome === `was let in as ${name}`, legal, JSON.stringify(name));
  };
  await fc.assert(fc.property(names, check), { numRuns: 200 });
});

test("a call without a certificate, with one that has run out, or that the trust refuses", () => {
  const certificate = certificateOf(commonName("alice"));
  const peer = { raw: certificate.raw, fingerprint256: certificate.fingerprint256 };
  const call = { getAuthContext: () => ({ sslPeerCertificate: peer }) } as unknown as AuthenticatedCall;
  const nobody: AuthenticatedCall = { getAuthContext: () => ({}) };
  assert.throws(() => identityOf(nobody), /no verified client certificate/);
  assert.is(identityOf(call).user, "alice");
  const later = new Date(Date.now() + 2 * 86_400_000);
  assert.throws(() => identityOf(call, undefined, later), /the client certificate expired on/);
  assert.throws(() => identityOf(call, { refusalOf: () => "revoked" }), /revoked/);
  assert.is(identityOf(call, { refusalOf: () => null }).user, "alice");
});
