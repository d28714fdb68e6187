// What a client of RFD 0 sends the server understands, and the other way round, whatever the values.

import fc from "fast-check";
import * as assert from "uvu/assert";
import * as podium from "../../src/gen/podium.ts";
import * as rfd from "../rfd/gen/rfd0.ts";
import { suite } from "../support/suite.ts";

const test = suite("the API on the wire");

interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(input: Uint8Array): T;
}

/** The message as the other side reads it. */
function across<A, B>(from: Codec<A>, to: Codec<B>, message: A): B {
  return to.decode(from.encode(message).finish());
}

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const text = fc.string({ unit: "binary" });
const bytes = fc.uint8Array({ maxLength: 2000 }).map((array) => Buffer.from(array));
const float = fc.float().map((value) => (Object.is(value, -0) ? 0 : value));
const rfdState = fc.constantFrom(rfd.State.RUNNING, rfd.State.COMPLETED, rfd.State.FAILED);
const extremes = [
  -(2n ** 63n),
  -(2n ** 53n) - 1n,
  -1n,
  0n,
  1n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 63n - 1n,
];

/** A record such as decoders make: with Object.prototype. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record<T>(model, { noNullPrototype: true });

const startRequest = record({ cmd: text, cpu: float, mem: int64, io: int64 });

/** A key that the server takes begins with a letter or digit, so `__proto__` is none. */
const labelKey = text.filter((key) => key !== "__proto__");
const rootfsMode = fc.constantFrom(podium.RootfsMode.OVERLAY, podium.RootfsMode.RW);

const additions = record({
  argv: fc.array(text),
  env: fc.array(text),
  cwd: text,
  hostname: text,
  user: fc.option(record({ uid: fc.nat(65_535), gid: fc.nat(65_535), name: text }), { nil: undefined }),
  pids: int64,
  timeoutMs: int64,
  outputLimit: int64,
  outputKill: fc.boolean(),
  name: text,
  stdin: fc.boolean(),
  rootfs: fc.option(record({ path: text, mode: rootfsMode, sizeBytes: int64, inodes: int64 }), { nil: undefined }),
  work: fc.option(record({ upload: text }), { nil: undefined }),
  labels: fc.dictionary(labelKey, text, { noNullPrototype: true }),
  tmpfs: fc.array(record({ target: text, sizeBytes: int64 })),
  grants: fc.array(record({ source: text, target: text, writable: fc.boolean() })),
  seccomp: text,
  capAdd: fc.array(text),
  requestId: text,
  network: fc.option(
    record({
      mode: fc.constantFrom(podium.NetworkMode.NONE, podium.NetworkMode.BRIDGE),
      allow: fc.array(text),
      deny: fc.array(text),
      publish: fc.array(text),
      rateBytesPerSecond: int64,
      requireReachable: fc.array(text),
    }),
    { nil: undefined },
  ),
  terminal: fc.option(record({ rows: fc.nat(65_535), columns: fc.nat(65_535) }), { nil: undefined }),
});

test("a request of the RFD's client arrives whole, and all that was added is left at its default", () => {
  fc.assert(
    fc.property(startRequest, (request) => {
      assert.equal(across(rfd.StartRequest, podium.StartRequest, request), podium.StartRequest.create(request));
    }),
  );
});

test("a request with everything set arrives whole, in the order it was given", () => {
  fc.assert(
    fc.property(startRequest, additions, (base, added) => {
      const request = { ...podium.StartRequest.create(), ...base, ...added };
      assert.equal(across(podium.StartRequest, podium.StartRequest, request), request);
    }),
  );
});

test("fields that the RFD does not know do not disturb those it knows", () => {
  fc.assert(
    fc.property(startRequest, additions, (base, added) => {
      assert.equal(
        across(podium.StartRequest, rfd.StartRequest, podium.StartRequest.create({ ...base, ...added })),
        base,
      );
    }),
  );
});

test("ids arrive in requests and come back in responses over all of int64", () => {
  const property = fc.property(int64, text, rfdState, (id, msg, state) => {
    assert.is(across(rfd.StopRequest, podium.StopRequest, { id }).id, id);
    assert.is(across(rfd.StatusRequest, podium.StatusRequest, { id }).id, id);
    assert.is(across(rfd.LogRequest, podium.LogRequest, { id }).id, id);
    const failure = podium.StopResponse.create({ response: { $case: "failure", value: { id, msg } } });
    assert.equal(across(podium.StopResponse, rfd.StopResponse, failure), {
      response: { $case: "failure", value: { id, msg } },
    });
    const status = podium.StatusResponse.create({
      response: {
        $case: "success",
        value: { id, state, job: { id, outcome: { exitCode: 0 }, createdAt: new Date() } },
      },
    });
    assert.equal(across(podium.StatusResponse, rfd.StatusResponse, status), {
      response: { $case: "success", value: { id, state } },
    });
  });
  fc.assert(property, { examples: extremes.map((id) => [id, "", rfd.State.FAILED]) });
});

test("what is beyond int64 is refused when it is encoded, never cut", () => {
  for (const id of [2n ** 63n, -(2n ** 63n) - 1n]) {
    assert.throws(() => podium.StatusRequest.encode(podium.StatusRequest.create({ id })), /too large/);
  }
});

test("output that is UTF-8 text reaches the RFD's client, which decodes string, unchanged", () => {
  fc.assert(
    fc.property(int64, text, int64, (id, output, offset) => {
      const piece = podium.LogSuccess.create({ id, stderr: Buffer.from(output), offset });
      const wellFormed = Buffer.from(output).toString();
      assert.equal(across(podium.LogSuccess, rfd.LogSuccess, piece), { id, stdout: "", stderr: wellFormed });
    }),
  );
});

test("output of any bytes arrives unchanged, and does not crash a client that decodes string", () => {
  const property = fc.property(bytes, int64, (stdout, offset) => {
    const piece = podium.LogSuccess.create({ id: 1n, stdout, offset });
    const arrived = across(podium.LogSuccess, podium.LogSuccess, piece);
    assert.ok(Buffer.isBuffer(arrived.stdout));
    assert.is(Buffer.compare(arrived.stdout, stdout), 0);
    assert.is(arrived.offset, offset);
    assert.is(across(podium.LogSuccess, rfd.LogSuccess, piece).id, 1n);
  });
  fc.assert(property, { examples: [[Buffer.from([0, 0xff, 0xc3, 0x28, 13]), 0n]] });
});

test("a state that the RFD does not have does not crash its client", () => {
  const queued = podium.StatusSuccess.create({ id: 7n, state: podium.State.QUEUED });
  assert.equal(across(podium.StatusSuccess, rfd.StatusSuccess, queued), { id: 7n, state: "UNRECOGNIZED" });
});

test("fields of a later version are passed over, whatever their wire type", () => {
  const varint = [0x80, 0x3e, 0x05]; // 992, varint
  const fixed64 = [0x81, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8];
  const delimited = [0x82, 0x3e, 0x03, 0x61, 0x62, 0x63];
  const group = [0x83, 0x3e, 0x08, 0x01, 0x84, 0x3e];
  const fixed32 = [0x85, 0x3e, 1, 2, 3, 4];
  const known = [...podium.StopRequest.encode(podium.StopRequest.create({ id: 9n })).finish()];
  for (const unknown of [varint, fixed64, delimited, group, fixed32]) {
    const decoded = podium.StopRequest.decode(Uint8Array.from([...unknown, ...known, ...unknown]));
    assert.equal(decoded, podium.StopRequest.create({ id: 9n }));
  }
});

test("a known field of another wire type is passed over, not misread", () => {
  const idAsText = Uint8Array.from([0x0a, 0x01, 0x39]);
  assert.equal(podium.StatusRequest.decode(idAsText), { id: 0n });
});

test("grace and tail tell 0 from not given", () => {
  const stop = (graceMs?: bigint) =>
    across(podium.StopRequest, podium.StopRequest, podium.StopRequest.create({ graceMs })).graceMs;
  assert.is(stop(0n), 0n);
  assert.is(stop(), undefined);
  const tail = (tailLines?: bigint) =>
    across(podium.LogRequest, podium.LogRequest, podium.LogRequest.create({ tailLines })).tailLines;
  assert.is(tail(0n), 0n);
  assert.is(tail(), undefined);
  const exit = (exitCode?: number) =>
    across(podium.Outcome, podium.Outcome, podium.Outcome.create({ exitCode })).exitCode;
  assert.is(exit(0), 0);
  assert.is(exit(), undefined);
});

test("bytes from anywhere decode or are refused with an Error, in no time", () => {
  const property = fc.property(fc.uint8Array({ maxLength: 300 }), (input) => {
    for (const codec of [podium.StartRequest, podium.LogResponse, podium.AttachRequest, podium.JobInfo]) {
      try {
        codec.decode(input);
      } catch (error) {
        assert.instance(error, Error);
      }
    }
  });
  fc.assert(property, { numRuns: 1000, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: true });
});
