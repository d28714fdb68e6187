// `node scripts/bench-net.mjs`, and the last part of `npm run bench`: what a network of its own costs a job's start: Start to outcome with `--net none` and with
// `--net bridge`, by turns against one server, with ready networks and with none ready. In a network namespace of its own,
// so that the host's firewall and links do not matter and are not touched. Needs root.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { bundle, compile } from "./build.mjs";

const built = (path) => import(new URL(`../build/${path}`, import.meta.url));

/** Many networks are ready, so that a run of starts is served from them; they are made again in the pauses. */
const ready = 24;
const inARow = 16;
const rounds = 6;
const pauseMs = 700;

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

/** A server with these settings and one client; `time(mode)` gives the milliseconds of one job. */
async function serverWith(network) {
  const { TestServer } = await built("test/support/server.js");
  const { StartRequest } = await built("src/gen/podium.js");
  const { startJob } = await built("src/client/start.js");
  const { waitForJob } = await built("src/client/jobs.js");
  const folder = mkdtempSync(join(tmpdir(), "podium-bench-"));
  const watch = new URL("../build/test/support/loop-watch.js", import.meta.url).href;
  const env = { NODE_OPTIONS: `--import ${watch}`, LOOP_WATCH: join(folder, "loop") };
  const server = await TestServer.start({ network: true, config: { network, logLevel: "warn" }, env });
  const podium = server.connect("bench");
  const time = async (mode) => {
    const options = { allow: [], deny: [], publish: [], rateBytesPerSecond: 0n, requireReachable: [] };
    const request = { argv: ["/usr/bin/true"], network: { ...options, mode } };
    const from = performance.now();
    const id = await startJob(podium, StartRequest.create(request));
    const started = performance.now() - from;
    const { outcome } = await waitForJob(podium, id);
    if (outcome?.exitCode !== 0) throw new Error(`the measured job failed: ${outcome?.message}`);
    return { started, ended: performance.now() - from };
  };
  /** From now on the server's event loop is measured. */
  const watchLoop = () => process.kill(server.pid, "SIGUSR2");
  /** Percentiles of its delay in milliseconds. */
  const close = async () => {
    watchLoop();
    podium[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
    const [, watched] = readFileSync(env.LOOP_WATCH, "utf8").split("\n");
    rmSync(folder, { recursive: true });
    return JSON.parse(watched);
  };
  return { time, watchLoop, close };
}

const modes = { none: "NETWORK_MODE_NONE", bridge: "NETWORK_MODE_BRIDGE" };

/** Medians in milliseconds of Start's answer and of the whole job, and the ratio of bridge to none. */
async function measure(name, { time }, { gapMs, inARow, pauseMs }) {
  const samples = { none: [], bridge: [] };
  for (let round = 0; round < rounds; round++) {
    for (const kind of round % 2 === 0 ? ["none", "bridge"] : ["bridge", "none"]) {
      await sleep(pauseMs);
      for (let i = 0; i < inARow; i++) {
        if (gapMs > 0) await sleep(gapMs);
        samples[kind].push(await time(modes[kind]));
      }
    }
  }
  const of = (kind, what) => median(samples[kind].map((sample) => sample[what]));
  const row = (what) => {
    const [none, bridge] = [of("none", what), of("bridge", what)];
    return { name, what, none, bridge, ratio: bridge / none };
  };
  return [row("started"), row("ended")];
}

/** `rows` of `{ name, what, none, bridge, ratio }` and `loops`, the delay of each server's event loop; milliseconds. */
export async function benchNetworks() {
  const { enterWorld } = await built("test/support/net-world.js");
  enterWorld();
  const rows = [];
  const loops = {};
  for (const [name, network, how] of [
    ["ready, back to back", { ready }, { gapMs: 0, inARow, pauseMs }],
    ["ready, 100 ms gaps", { ready }, { gapMs: 100, inARow: 10, pauseMs: 0 }],
    ["none ready, back to back", { ready: 0 }, { gapMs: 0, inARow, pauseMs }],
  ]) {
    const server = await serverWith(network);
    try {
      await sleep(2 * pauseMs); // the zygote gets ready for its jobs, and the networks are made
      for (const mode of Object.values(modes)) for (let i = 0; i < 8; i++) await server.time(mode);
      server.watchLoop();
      rows.push(...(await measure(name, server, how)));
    } finally {
      loops[name] = await server.close();
    }
  }
  return { rows, loops };
}

export function printNetworks({ rows, loops }) {
  process.stdout.write(`\n${"medians in ms".padEnd(36)}    none  bridge   ratio\n`);
  for (const { name, what, none, bridge, ratio } of rows) {
    const numbers = [none, bridge, ratio].map((value) => value.toFixed(2).padStart(8)).join("");
    process.stdout.write(`${`${name}: ${what}`.padEnd(36)}${numbers}\n`);
  }
  process.stdout.write(
    "\nthe server's event loop, delay in ms: percentiles; longest; the same without waiting for a processor\n",
  );
  for (const [name, { percentiles, longestMs, longestOwnMs }] of Object.entries(loops)) {
    const shares = Object.entries(percentiles).map(([share, ms]) => `${share}% ${ms}`);
    const longest = [longestMs, longestOwnMs].map((ms) => ms.toFixed(1)).join("; ");
    process.stdout.write(`${name.padEnd(36)}${shares.join(", ")}; ${longest}\n`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.getuid?.() !== 0) throw new Error("the bench makes namespaces: run it as root");
  if (!((await compile()) && (await bundle()))) throw new Error("the build failed; see above");
  const measured = await benchNetworks();
  if (process.argv.includes("--json")) process.stdout.write(`${JSON.stringify(measured, null, 2)}\n`);
  else printNetworks(measured);
}
