// The four services of RFD 0 must stay in proto/podium.proto to the letter: test/rfd/rfd0.proto is the RFD's side.

import { spawnSync } from "node:child_process";
import * as assert from "uvu/assert";
import { suite } from "../support/suite.ts";

const test = suite("proto/podium.proto against RFD 0");

/** The parts of a FileDescriptorProto in JSON that count here. */
interface ProtoFile {
  readonly name: string;
  readonly package: string;
  readonly messageType: readonly Message[];
  readonly enumType: readonly Enum[];
  readonly service: readonly Service[];
}
interface Message {
  readonly name: string;
  readonly field?: readonly Field[];
  readonly oneofDecl?: readonly { readonly name: string }[];
}
interface Field {
  readonly name: string;
  readonly number: number;
  readonly type: string;
  readonly typeName?: string;
  readonly label: string;
  readonly oneofIndex?: number;
  readonly proto3Optional?: boolean;
}
interface Enum {
  readonly name: string;
  readonly value: readonly { readonly name: string; readonly number?: number }[];
}
interface Service {
  readonly name: string;
  readonly method: readonly { readonly name: string; readonly inputType: string; readonly outputType: string }[];
}

function descriptor(folder: string, file: string): ProtoFile {
  const arguments_ = ["build", folder, "--output", "-#format=json", "--exclude-source-info"];
  const buf = spawnSync("node_modules/.bin/buf", arguments_, { encoding: "utf8", maxBuffer: 64 << 20 });
  assert.is(buf.status, 0, buf.stderr);
  const image = JSON.parse(buf.stdout) as { file: ProtoFile[] };
  return named(image.file, file);
}

function named<T extends { readonly name: string }>(all: readonly T[], name: string): T {
  const found = all.find((one) => one.name === name);
  assert.ok(found, `${name} is missing`);
  return found as T;
}

/** One line for each field: what the wire and generated code depend on. */
function fieldLines(message: Message): string[] {
  return (message.field ?? []).map((field) => {
    const { name, number, label, type, typeName = "", oneofIndex, proto3Optional = false } = field;
    const oneof = oneofIndex === undefined ? "" : message.oneofDecl?.[oneofIndex]?.name;
    return `${number} ${name} ${label} ${type} ${typeName} oneof=${oneof} optional=${proto3Optional}`;
  });
}

const rfd = descriptor("test/rfd", "rfd0.proto");
const podium = descriptor("proto", "podium.proto");

/** The one change that docs/contract.md makes: output is bytes, which are the same on the wire. */
const binarySafe = (lines: string[]) =>
  lines.map((line) => line.replace(/^(\d+ std(?:out|err) \w+) TYPE_STRING/, "$1 TYPE_BYTES"));

test("the RFD's own text has its 4 services, 16 messages and 1 enum", () => {
  assert.is(rfd.service.length, 4);
  assert.is(rfd.messageType.length, 16);
  assert.equal(
    rfd.enumType.map((one) => one.name),
    ["State"],
  );
  assert.is(rfd.messageType.flatMap(fieldLines).length, 30);
});

test("package, services and calls are the RFD's, none of them changed", () => {
  assert.is(podium.package, rfd.package);
  for (const service of rfd.service) assert.equal(named(podium.service, service.name), service);
});

test("each message has the RFD's fields with their numbers and types; what was added begins at 16", () => {
  for (const message of rfd.messageType) {
    const fields = fieldLines(named(podium.messageType, message.name));
    const number = (line: string) => Number.parseInt(line, 10);
    const ofRfd = fields.filter((line) => number(line) < 16);
    assert.equal(ofRfd, binarySafe(fieldLines(message)), message.name);
  }
});

test("the RFD's oneofs hold success and failure and nothing else", () => {
  for (const message of rfd.messageType.filter((one) => one.oneofDecl !== undefined)) {
    const found = named(podium.messageType, message.name);
    assert.is(found.field?.length, 2, message.name);
    assert.equal(found.oneofDecl, message.oneofDecl);
  }
});

test("the RFD's enum values keep their numbers; what was added comes after them", () => {
  for (const { name, value } of rfd.enumType) {
    assert.equal(named(podium.enumType, name).value.slice(0, value.length), value);
  }
});

test("the causes are spelt as docs/contract.md has them", () => {
  const names = named(podium.enumType, "Cause").value.map((one) => one.name);
  const contract = "EXITED, SIGNALED, OOM, TIMEOUT, OUTPUT_LIMIT, STOPPED, SECCOMP, START_FAILED, LOST".split(", ");
  assert.equal(names, ["CAUSE_UNSPECIFIED", ...contract]);
});
