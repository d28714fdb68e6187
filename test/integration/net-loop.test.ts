// What networks cost the server's event loop, measured inside the real server over 200 jobs without and 200 with one.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import * as assert from "uvu/assert";
import type { LoopDelay } from "../support/net-loop-delay.ts";
import { NetServer } from "../support/net-server.ts";
import { root } from "../support/runner/catalog.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("the server's event loop", { timeoutSeconds: 200, testSeconds: 150 });
const needs = requires("root", "libseccomp", "nft", "ip", "netadmin");
const jobs = 200;
const bearableMs = 20;

interface Watched extends LoopDelay {
  readonly percentiles: Readonly<Record<string, number>>;
}

test("the event loop is held up by no more than 20 ms by the networks of 200 jobs", needs, async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "loop");
  const watch = pathToFileURL(join(root, "build/test/support/loop-watch.js")).href;
  const server = await NetServer.start({ ready: 16 }, { env: { NODE_OPTIONS: `--import ${watch}`, LOOP_WATCH: file } });
  const mark = () => process.kill(server.server.pid, "SIGUSR2");
  await sleep(1500); // the networks that are kept ready are made
  for (const mode of ["NETWORK_MODE_NONE", "NETWORK_MODE_BRIDGE"] as const) {
    for (let i = 0; i < 10; i++) await server.run("true", { mode });
    mark();
    const next = Array.from({ length: jobs }, (_, i) => i);
    const worker = async () => {
      while (next.pop() !== undefined) await server.run("true", { mode });
    };
    await Promise.all([worker(), worker()]);
    await sleep(300);
  }
  mark();
  await server[Symbol.asyncDispose]();
  const lines = readFileSync(file, "utf8").trim().split("\n");
  const [, none, bridge] = lines.map((line) => JSON.parse(line) as Watched);
  for (const [name, watched] of Object.entries({ none, bridge })) {
    process.stdout.write(`loop delay, --net ${name}: ${JSON.stringify(watched)}\n`);
  }
  if (none === undefined || bridge === undefined) throw new Error("the server measured nothing");
  // What holds it up without networks too (the disk, a collection of garbage) is not theirs.
  assert.ok(bridge.longestOwnMs < bearableMs + none.longestOwnMs, `${bridge.longestOwnMs} ms`);
});
