import fc from "fast-check";
import * as assert from "uvu/assert";
import { HeadAndTail } from "../../src/local/head-and-tail.ts";
import { suite } from "../support/suite.ts";

const test = suite("head and tail of a stream");

async function through(bytes: number, chunks: readonly Buffer[]) {
  let dropped = 0;
  const stream = new HeadAndTail(bytes, (count) => {
    dropped = count;
  });
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return { text: Buffer.concat(parts).toString("latin1"), dropped };
}

test("S09 what comes out is the first and the last half, and what is missing between is told, for any chunks", async () => {
  const chunk = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 60_000, max: 200_000 }));
  const property = fc.asyncProperty(
    fc.integer({ min: 1, max: 300_000 }),
    fc.array(chunk, { maxLength: 12 }),
    async (bytes, sizes) => {
      let n = 0;
      const chunks = sizes.map((size) => Buffer.from(Array.from({ length: size }, () => 33 + (n++ % 90))));
      const all = Buffer.concat(chunks).toString("latin1");
      const { text, dropped } = await through(bytes, chunks);
      const head = Math.floor(bytes / 2);
      const expected = all.length <= bytes ? all : all.slice(0, head) + all.slice(all.length - (bytes - head));
      assert.ok(text === expected, `${text.length} of ${all.length} bytes, limit ${bytes}`);
      assert.is(dropped, Math.max(0, all.length - bytes));
    },
  );
  await fc.assert(property, { numRuns: 60 });
});
