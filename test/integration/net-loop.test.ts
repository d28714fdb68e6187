// What networks cost the server's event loop, measured inside the real server over 200 jobs without and 200 with one.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import * as assert from "uvu/assert";
import { measured } from "../support/measured.ts";
import type { LoopDelay } from "../support/net-loop-delay.ts";
import { NetServer } from "../support/net-server.ts";
import { root } from "../support/runner/catalog.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const test = suite("the server's event loop", { testSeconds: 400 });
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
  await using server = await NetServer.start(
    { ready: 16 },
    { env: { NODE_OPTIONS: `--import ${watch}`, LOOP_WATCH: file } },
  );
  await sleep(1500); // the networks that are kept ready are made
  const lines = () => (existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : []);
  /** What has been measured since the last mark. */
  const mark = async (): Promise<Watched> => {
    const before = lines().length;
    process.kill(server.server.pid, "SIGUSR2");
    await until("the server's report", () => lines().length > before);
    return JSON.parse(lines().at(-1) ?? "") as Watched;
  };
  const run = async (mode: "NETWORK_MODE_NONE" | "NETWORK_MODE_BRIDGE"): Promise<number> => {
    for (let i = 0; i < 10; i++) await server.run("true", { mode });
    await mark();
    const next = Array.from({ length: jobs }, (_, i) => i);
    const worker = async () => {
      while (next.pop() !== undefined) await server.run("true", { mode });
    };
    await Promise.all([worker(), worker()]);
    await sleep(300);
    const watched = await mark();
    process.stdout.write(`loop delay, ${mode}: ${JSON.stringify(watched)}\n`);
    return watched.longestOwnMs;
  };
  // What holds it up without networks too (the disk, a collection of garbage) is not theirs. Nor is what happens once: of a
  // machine that stands still for a moment the kernel tells nobody. What 200 networks do, they do every time.
  const most = bearableMs + (await run("NETWORK_MODE_NONE"));
  const longest = await measured(
    () => run("NETWORK_MODE_BRIDGE"),
    (ms) => ms < most,
  );
  assert.ok(longest < most, `${longest} ms`);
});
