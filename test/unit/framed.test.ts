import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { type Framed, FramedMessages } from "../../src/server/framed.ts";
import { suite } from "../support/suite.ts";

const test = suite("framed messages");
const kibibyte = 1 << 10;
const frameBytes = 5;

/** A client that takes a write when the test says so, and whether it is still there then. */
class Client {
  readonly got: string[] = [];
  readonly #waiting: ((heard: boolean) => void)[] = [];
  #underWay: Framed | null = null;

  readonly send = (framed: Framed): Promise<boolean> => {
    assert.is(this.#underWay, null, "one write at a time, or grpc-js would gather memory");
    this.#underWay = framed;
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  };

  /** What has been sent is written only now: its memory must not have been used again. */
  async take(heard = true): Promise<void> {
    if (this.#underWay !== null) this.got.push(...messagesOf(this.#underWay.bytes));
    this.#underWay = null;
    this.#waiting.shift()?.(heard);
    await new Promise(setImmediate);
  }
}

function messagesOf(bytes: Buffer): string[] {
  const messages: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    assert.is(bytes[at], 0, "not compressed");
    const end = at + frameBytes + bytes.readUInt32BE(at + 1);
    assert.ok(end <= bytes.length);
    messages.push(bytes.toString("latin1", at + frameBytes, end));
    at = end;
  }
  return messages;
}

async function add(messages: FramedMessages, ...texts: string[]): Promise<boolean> {
  for (const text of texts) {
    if (!(await messages.room(text.length))) return false;
    messages.add((target, at) => at + target.write(text, at, "latin1"));
  }
  messages.flush();
  return true;
}

test("messages that come while others are under way go together, in order, whatever memory they are in", async () => {
  const client = new Client();
  const messages = new FramedMessages(client.send);
  const all: string[] = [];
  for (let round = 0; round < 50; round++) {
    for (let n = 0; n < round % 7; n++) {
      const text = `${round}.${n} `.repeat(1 + ((round * n) % 300));
      all.push(text);
      assert.ok(await add(messages, text));
    }
    await client.take();
  }
  const over = messages.written();
  for (let n = 0; n < 3; n++) await client.take();
  assert.ok(await over);
  assert.equal(client.got, all);
});

test("who adds more than 256 KiB to what is under way waits until the client has taken some", async () => {
  const client = new Client();
  const messages = new FramedMessages(client.send);
  const piece = "x".repeat(64 * kibibyte);
  assert.ok(await add(messages, piece));
  assert.ok(await add(messages, piece, piece, piece, piece));
  let added = false;
  const further = add(messages, piece).then((heard) => {
    added = heard;
  });
  await new Promise(setImmediate);
  assert.not.ok(added);
  await client.take();
  await further;
  assert.ok(added);
  await client.take();
  await client.take();
  assert.ok(await messages.written());
  assert.is(client.got.length, 6);
});

test("memory is given up after a quiet second, and not that of messages that wait for their client", async () => {
  const client = new Client();
  const messages = new FramedMessages(client.send);
  assert.ok(await add(messages, "a".repeat(1000)));
  await client.take();
  assert.ok(await add(messages, "b".repeat(1000)));
  assert.ok(await add(messages, "c".repeat(1000)));
  await sleep(1_100);
  await client.take();
  await client.take();
  await sleep(1_100);
  assert.ok(await add(messages, "d".repeat(1000)));
  await client.take();
  assert.equal(
    client.got,
    ["a", "b", "c", "d"].map((letter) => letter.repeat(1000)),
  );
});

test("when the client is gone, nobody waits and nothing more is sent", async () => {
  const client = new Client();
  const messages = new FramedMessages(client.send);
  assert.ok(await add(messages, "a"));
  assert.ok(await add(messages, "b"));
  const waiting = add(messages, "c".repeat(300 * kibibyte));
  await client.take(false);
  assert.not.ok(await waiting);
  assert.not.ok(await add(messages, "d"));
  assert.not.ok(await messages.written());
  assert.equal(client.got, ["a"]);
});
