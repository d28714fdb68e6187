// How fast jobs start: figures for whoever reads, and a bound that only a mistake of another order breaks.
import { spawnSync } from "node:child_process";
import * as assert from "uvu/assert";
import { waitForJob } from "../../src/client/jobs.ts";
import { startJob } from "../../src/client/start.ts";
import { StartRequest } from "../../src/gen/podium.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("the time of a start");

const count = 100;
/** A job at its slowest against Node at its quickest, in one run on one machine: about a tenth is usual. */
const mostNodeStarts = 5;

function nodeStartMs(): number {
  const samples = Array.from({ length: 5 }, () => {
    const from = performance.now();
    spawnSync(process.execPath, ["-e", "0"]);
    return performance.now() - from;
  });
  return median(samples);
}

function median(samples: number[]): number {
  return samples.toSorted((a, b) => a - b)[samples.length >> 1] ?? 0;
}

test(
  "H07 100 starts of /bin/true one after the other and 100 at once all succeed",
  requires("root", "libseccomp"),
  async () => {
    await using server = await TestServer.start({ config: { logLevel: "silent" } });
    using podium = server.connect("alice");
    const run = async (): Promise<number> => {
      const from = performance.now();
      const id = await startJob(podium, StartRequest.create({ argv: ["/bin/true"] }));
      const { outcome } = await waitForJob(podium, id);
      assert.equal([outcome?.exitCode, outcome?.message], [0, "exited with code 0"]);
      return performance.now() - from;
    };
    const alone: number[] = [];
    for (let i = 0; i < count; i++) alone.push(await run());
    const from = performance.now();
    await Promise.all(Array.from({ length: count }, run));
    const together = (performance.now() - from) / count;
    const node = nodeStartMs();
    const each = (ms: number) => `${ms.toFixed(1)} ms`;
    console.log(`a job: ${each(median(alone))} alone, ${each(together)} of ${count} at once; node -e 0: ${each(node)}`);
    assert.ok(
      median(alone) < mostNodeStarts * node && together < mostNodeStarts * node,
      "a start costs no more than a program",
    );
  },
);
