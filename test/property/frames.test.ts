import fc from "fast-check";
import * as assert from "uvu/assert";
import { encodeFrame, encodeJson, type Frame, FrameError, FrameReader, maxPayloadBytes } from "../../sandbox/frames.ts";
import { suite } from "../support/suite.ts";

const test = suite("frames");

const frame = fc.record({ type: fc.nat({ max: 255 }), payload: fc.uint8Array({ maxLength: 300 }) });

/** Reads all that a reader can give now. */
function drain(reader: FrameReader): Frame[] {
  const frames: Frame[] = [];
  for (let next = reader.next(); next !== null; next = reader.next()) frames.push(next);
  return frames;
}

test("frames arrive whole and in order, however the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.nat({ max: 64 }), { maxLength: 200 }), (sent, cuts) => {
      const stream = Buffer.concat(sent.map(({ type, payload }) => encodeFrame(type, payload)));
      const reader = new FrameReader();
      const received: Frame[] = [];
      let at = 0;
      for (const length of [...cuts, stream.length]) {
        reader.push(stream.subarray(at, at + length));
        received.push(...drain(reader));
        at += length;
      }
      const plain = (frames: readonly { type: number; payload: Uint8Array }[]) =>
        frames.map(({ type, payload }) => [type, Buffer.from(payload).toString("hex")]);
      assert.equal(plain(received), plain(sent));
    }),
  );
});

test("JSON of any shape comes back the same", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const reader = new FrameReader();
      reader.push(encodeJson(7, value));
      const { type, payload } = reader.next() as Frame;
      assert.is(type, 7);
      assert.is(payload.toString(), JSON.stringify(value));
    }),
  );
});

test("the largest payload passes, a larger one is refused by both sides before it is held in memory", () => {
  const largest = Buffer.alloc(maxPayloadBytes, 1);
  const stream = encodeFrame(1, largest);
  const reader = new FrameReader();
  const started = process.cpuUsage();
  for (let at = 0; at < stream.length; at += 4096) {
    reader.push(stream.subarray(at, at + 4096));
    if (at + 4096 < stream.length) assert.is(reader.next(), null);
  }
  assert.ok(reader.next()?.payload.equals(largest));
  const { user, system } = process.cpuUsage(started);
  assert.ok(user + system < 2_000_000, "pieces are joined once, not with every piece");
  assert.throws(() => encodeFrame(1, Buffer.alloc(maxPayloadBytes + 1)), /at most 16777216/);
  const header = Buffer.from([1, 0, 0, 1, 9]);
  const liar = new FrameReader();
  liar.push(header);
  assert.throws(
    () => liar.next(),
    (error: unknown) => error instanceof FrameError && /claims 16777217 bytes/.test(error.message),
  );
});

test("bytes that are no frames give frames or a FrameError, and nothing else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const reader = new FrameReader();
      reader.push(Buffer.from(bytes));
      try {
        drain(reader);
      } catch (error) {
        assert.instance(error, FrameError);
      }
    }),
  );
});
