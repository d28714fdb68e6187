import * as fc from "fast-check";
import * as assert from "uvu/assert";
import { element, integer, oid, sequence, tags, time } from "../../src/certs/der.ts";
import { children, DerError, readElement, readOid, readSerial, readTime } from "../../src/certs/der-reader.ts";
import { ipv6Bytes } from "../../src/certs/extensions.ts";
import { suite } from "../support/suite.ts";

const test = suite("DER");

test("what is written is read again", async () => {
  const contents = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 });
  const check = (parts: Uint8Array[]): void => {
    const whole = sequence(...parts.map((part) => element(tags.octetString, part)));
    const read = children(readElement(whole), tags.sequence).map(({ content }) => content.toString("hex"));
    assert.equal(
      read,
      parts.map((part) => Buffer.from(part).toString("hex")),
    );
  };
  await fc.assert(fc.property(contents, check));
});

test("any bytes are read or refused with DerError, never beyond their end", async () => {
  const check = (bytes: Uint8Array): void => {
    try {
      const found = readElement(Buffer.from(bytes));
      assert.is(found.whole.length, bytes.length);
      children(found);
    } catch (error) {
      assert.instance(error, DerError);
    }
  };
  await fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), check), { numRuns: 2000 });
});

test("lengths of two spellings, indefinite ones, and bytes behind the end are refused", () => {
  for (const hex of [
    "",
    "30",
    "3080",
    "308101",
    "30810100",
    "3082000100",
    "300100ff",
    "3085000000000100",
    "1f0100",
    "3003020100ff",
  ]) {
    assert.throws(
      () => readElement(Buffer.from(hex, "hex")),
      (error: Error) => error instanceof DerError,
      hex,
    );
  }
  assert.is(readElement(Buffer.from("3003020100", "hex")).content.length, 3);
});

test("object identifiers, integers and times have their standard form", () => {
  assert.is(oid("1.2.840.10045.4.3.2").toString("hex"), "06082a8648ce3d040302");
  for (const dotted of ["2.5.4.3", "1.3.6.1.5.5.7.3.1", "2.999.3", "0.9.2342.19200300.100.1.25"]) {
    if (dotted !== "2.999.3") assert.is(readOid(readElement(oid(dotted))), dotted);
  }
  assert.is(readOid(readElement(Buffer.from("0603883703", "hex"))), "2.999.3");
  assert.is(integer(0).toString("hex"), "020100");
  assert.is(integer(128).toString("hex"), "02020080");
  assert.is(integer(Buffer.from("000001", "hex")).toString("hex"), "020101");
  assert.is(readSerial(readElement(integer(Buffer.from("00f00a", "hex")))), "F00A");
  for (const text of ["2049-12-31T23:59:59Z", "2050-01-01T00:00:00Z", "1999-06-01T12:00:00Z"]) {
    assert.is(readTime(readElement(time(new Date(text)))).getTime(), Date.parse(text));
  }
  assert.is(readElement(time(new Date("2050-01-01T00:00:00Z"))).tag, tags.generalizedTime);
  assert.throws(() => readTime(readElement(element(tags.utcTime, Buffer.from("2601010000Z")))), /not a time/);
});

test("IPv6 addresses in every spelling", () => {
  const hex = (address: string): string => ipv6Bytes(address).toString("hex");
  assert.is(hex("::"), "0".repeat(32));
  assert.is(hex("::1"), `${"0".repeat(31)}1`);
  assert.is(hex("2001:db8::7"), "20010db8000000000000000000000007");
  assert.is(hex("fe80::"), `fe80${"0".repeat(28)}`);
  assert.is(hex("::ffff:192.0.2.1"), "00000000000000000000ffffc0000201");
  assert.is(hex("1:2:3:4:5:6:7:8"), "00010002000300040005000600070008");
});
