// `npm run bench`: what podium costs, beside what else starts a program, all in one run. `npm run bench -- start log` measures
// these parts only; `--json` prints one JSON document; `--picture FILE` draws the medians of `start`. Needs root.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, release, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cli } from "./bench/cli.mjs";
import { line, printLines } from "./bench/figures.mjs";
import { idle } from "./bench/idle.mjs";
import { log } from "./bench/log.mjs";
import { peers } from "./bench/peers.mjs";
import { picture } from "./bench/picture.mjs";
import { server } from "./bench/podium.mjs";
import { stages } from "./bench/stages.mjs";
import { start } from "./bench/start.mjs";
import { throughput } from "./bench/throughput.mjs";
import { benchNetworks, printNetworks } from "./bench-net.mjs";
import { bundle, compile } from "./build.mjs";

const parts = { start, stages, throughput, log, cli, idle };
/** Last, since it moves this process into a network namespace for good. */
const networkPart = "net";
const all = [...Object.keys(parts), networkPart];
/** Parts that compare with docker, whose daemon takes a while to start. */
const againstDocker = ["start", "throughput"];

function printRows(rows) {
  const width = Math.max(...rows.map(({ name }) => name.length)) + 2;
  let mode = "";
  for (const row of rows) {
    const bwrap = rows.find((other) => other.mode === row.mode && other.name.startsWith("bwrap"))?.median;
    if (row.mode !== mode) {
      process.stdout.write(`\n${`${row.mode} (ms)`.padEnd(width)}     min  median     p90     max  to bwrap\n`);
    }
    mode = row.mode;
    const numbers = [row.min, row.median, row.p90, row.max].map((value) => value.toFixed(2).padStart(8)).join("");
    const share = bwrap === undefined ? "-" : (row.median / bwrap).toFixed(2);
    process.stdout.write(`${row.name.padEnd(width)}${numbers}${share.padStart(10)}\n`);
  }
  process.stdout.write("\n");
}

/** Each part in turn; whatever happens, nothing is left. */
async function run(wanted) {
  const folder = mkdtempSync(join(tmpdir(), "podium-bench-"));
  try {
    const others = await peers(
      folder,
      wanted.some((name) => againstDocker.includes(name)),
    );
    try {
      const results = await measured(wanted, folder, others.measured);
      const lines = results.flatMap((result) => result.lines);
      const missing = [...others.missing, ...results.flatMap((result) => result.missing ?? [])];
      return { rows: results.flatMap((result) => result.rows), lines, missing };
    } finally {
      await others.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measured(wanted, folder, others) {
  const podium = await server();
  try {
    const results = [];
    for (const name of wanted) results.push(await parts[name]({ folder, server: podium, peers: others }));
    return results;
  } finally {
    await podium.close();
  }
}

/** A network that waits ready must cost little; one that is made for the job is told for comparison. */
function networkLines({ rows }) {
  return rows.map(({ name, what, ratio }) => {
    const ready = what === "ended" && name.startsWith("ready");
    return line("net", `bridge to none, ${name}, ${what}`, ratio, ready ? { bar: 1.2 } : {});
  });
}

function partsOf(positionals) {
  const wanted = positionals.length > 0 ? positionals : all;
  const unknown = wanted.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new Error(`${unknown}: is no part; there are ${all.join(", ")}`);
  return wanted;
}

function print({ rows, lines, missing, networks }) {
  if (rows.length > 0) printRows(rows);
  if (lines.length > 0) printLines(lines);
  if (networks !== null) printNetworks(networks);
  for (const name of missing) process.stdout.write(`missing: ${name}\n`);
}

async function main() {
  const options = { json: { type: "boolean" }, picture: { type: "string" } };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const wanted = partsOf(positionals);
  if (process.getuid?.() !== 0) throw new Error("the bench makes namespaces and control groups: run it as root");
  if (!((await compile()) && (await bundle()))) throw new Error("the build failed; see above");
  const result = await run(wanted.filter((name) => name !== networkPart));
  const networks = wanted.includes(networkPart) ? await benchNetworks() : null;
  if (networks !== null) result.lines.push(...networkLines(networks));
  const { rows } = result;
  if (values.picture !== undefined && rows.length > 0) writeFileSync(values.picture, picture(rows, "back to back"));
  if (!values.json) return print({ ...result, networks });
  const machine = { kernel: release(), node: process.version, processors: availableParallelism() };
  process.stdout.write(`${JSON.stringify({ machine, ...result, networks }, null, 2)}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
}
