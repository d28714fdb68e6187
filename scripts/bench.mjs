// `npm run bench`: what starting one job costs, beside what else starts a program, all in one run and by turns, so that
// whatever else the machine does hits all alike. `--json` prints one JSON document instead of the table. Needs root.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, release, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { benchNetworks, printNetworks } from "./bench-net.mjs";
import { bundle, compile } from "./build.mjs";

const program = "/usr/bin/true";
const bwrap = "/usr/bin/bwrap";
const bwrapArgs = ["--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", program];
/** How often each is measured, how many times in a row, and after which pause before each. */
const modes = [
  { name: "back to back", times: 60, inARow: 10, gapMs: 0 },
  { name: "100 ms gaps", times: 40, inARow: 1, gapMs: 100 },
];
/** The zygote gets ready for its jobs in its idle time. */
const settleMs = 1500;
const warmUps = 10;

const built = (path) => import(new URL(`../build/${path}`, import.meta.url));

/** posix_spawn(3) and waitpid(2) from this process: glibc's vfork, the cheapest way there is from a large process. */
async function plainSpawn() {
  const { libc } = await built("sandbox/sys/ffi.js");
  const { waitFor } = await built("sandbox/sys/process.js");
  const spawn = libc("int posix_spawn(uint8_t*, const char*, void*, void*, const char**, const char**)");
  const pid = Buffer.alloc(4);
  return (path, args) => {
    const failed = spawn(pid, path, null, null, [path, ...args, null], ["PATH=/usr/bin:/bin", null]);
    if (failed !== 0) throw new Error(`${path} does not start (errno ${failed})`);
    const status = waitFor(pid.readInt32LE(0));
    if (status !== 0) throw new Error(`${path} ended with status ${status}`);
  };
}

async function peers() {
  const spawn = await plainSpawn();
  const floor = { name: "true, posix_spawn to waitpid", run: async () => ({ total: timed(() => spawn(program, [])) }) };
  if (!existsSync(bwrap)) return { measured: [floor], missing: ["bwrap"] };
  const peer = { name: "bwrap --unshare-all true", run: async () => ({ total: timed(() => spawn(bwrap, bwrapArgs)) }) };
  return { measured: [floor, peer], missing: [] };
}

function timed(body) {
  const from = performance.now();
  body();
  return performance.now() - from;
}

/** A zygote as the server has it, driven directly: request sent, command exec'd, init reaped. */
async function zygote(folder) {
  const { findPlacement } = await built("sandbox/cgroup/find-placement.js");
  const { preparePlacement, removePlacement } = await built("sandbox/cgroup/placement.js");
  const { specOf } = await built("sandbox/request.js");
  const { seccompPrograms } = await built("sandbox/seccomp/programs.js");
  const { ZygoteClient } = await built("sandbox/zygote/client.js");
  const cgroup = findPlacement(Buffer.from(folder.slice(-6)).toString("hex"));
  const seccomp = seccompPrograms({ kind: "default" }, { capabilities: [], writableGrants: false });
  const spec = specOf({ argv: [program] }, { defaultHostname: "bench", network: { kind: "none" }, seccomp });
  preparePlacement(cgroup);
  mkdirSync(join(folder, "stage"));
  const client = await ZygoteClient.spawn({
    cgroup,
    stage: join(folder, "stage"),
    idLocks: "/run/podium/ids",
    rehearse: true,
  });
  let last = 0;
  const run = async () => {
    const job = String(++last);
    const jobFolder = join(folder, job);
    makeJobFolder(jobFolder);
    const from = performance.now();
    const gone = new Promise((resolve) => client.once("gone", resolve));
    await client.start({ job, folder: jobFolder, spec, disks: [], bound: false });
    const answered = performance.now() - from;
    await gone;
    const total = performance.now() - from;
    checkRecord(jobFolder);
    return { answered, total };
  };
  const close = async () => {
    await client.close();
    removePlacement(cgroup);
  };
  return { name: "zygote, start to reaped", run, close };
}

function makeJobFolder(folder) {
  mkdirSync(folder, { mode: 0o700 });
  for (const stream of ["stdout", "stderr"]) writeFileSync(join(folder, stream), "");
  writeFileSync(join(folder, "state"), "RUNNING\n");
}

function checkRecord(folder) {
  const { cause, exitCode, message } = JSON.parse(readFileSync(join(folder, "exit.json"), "utf8"));
  if (cause !== "EXITED" || exitCode !== 0) throw new Error(`the measured job failed: ${message}`);
}

/** A real `podium serve` on loopback, and one client over mutual TLS. */
async function server() {
  const { TestServer } = await built("test/support/server.js");
  const { StartRequest } = await built("src/gen/podium.js");
  const { startJob } = await built("src/client/start.js");
  const { waitForJob } = await built("src/client/jobs.js");
  const host = await TestServer.start();
  const podium = host.connect("bench");
  const run = async () => {
    const from = performance.now();
    const id = await startJob(podium, StartRequest.create({ argv: [program] }));
    const answered = performance.now() - from;
    const { outcome } = await waitForJob(podium, id);
    const total = performance.now() - from;
    if (outcome?.exitCode !== 0) throw new Error(`the measured job failed: ${outcome?.message}`);
    return { answered, total };
  };
  const close = async () => {
    podium[Symbol.dispose]();
    await host[Symbol.asyncDispose]();
  };
  return { name: "podium over mTLS, Start to outcome", run, close };
}

async function measure(mode, measured) {
  const samples = new Map(measured.map(({ name }) => [name, []]));
  for (let round = 0; round < mode.times / mode.inARow; round++) {
    for (const { name, run } of measured) {
      for (let i = 0; i < mode.inARow; i++) {
        if (mode.gapMs > 0) await sleep(mode.gapMs);
        samples.get(name).push(await run());
      }
    }
  }
  return samples;
}

function figures(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] * 100) / 100;
  return { min: at(0), median: at(0.5), p90: at(0.9) };
}

function rowsOf(mode, samples) {
  const rows = [...samples].flatMap(([name, values]) => {
    const row = { mode: mode.name, name, ...figures(values.map(({ total }) => total)) };
    if (values[0].answered === undefined) return [row];
    return [{ mode: mode.name, name: `${name}: exec'd`, ...figures(values.map(({ answered }) => answered)) }, row];
  });
  const base = rows.find(({ name }) => name.startsWith("bwrap"))?.median;
  const ratio = (median) => (base === undefined ? null : Math.round((median / base) * 100) / 100);
  return rows.map((row) => ({ ...row, toBwrap: ratio(row.median) }));
}

function printTable(rows, missing) {
  const width = Math.max(...rows.map(({ name }) => name.length)) + 2;
  let mode = "";
  for (const row of rows) {
    if (row.mode !== mode) {
      process.stdout.write(`\n${`${row.mode} (ms)`.padEnd(width)}     min  median     p90  to bwrap\n`);
    }
    mode = row.mode;
    const numbers = [row.min, row.median, row.p90].map((value) => value.toFixed(2).padStart(8)).join("");
    process.stdout.write(`${row.name.padEnd(width)}${numbers}${(row.toBwrap?.toFixed(2) ?? "-").padStart(10)}\n`);
  }
  for (const name of missing) process.stdout.write(`\nmissing: ${name}; install it to compare with it\n`);
}

/** All that is measured, while it is there; removed in reverse order whatever happens. */
async function run() {
  const folder = mkdtempSync(join(tmpdir(), "podium-bench-"));
  const { measured, missing } = await peers();
  const ours = [];
  try {
    ours.push(await zygote(folder));
    ours.push(await server());
    await sleep(settleMs);
    const all = [...measured, ...ours];
    for (let i = 0; i < warmUps; i++) for (const one of all) await one.run();
    const rows = [];
    for (const mode of modes) rows.push(...rowsOf(mode, await measure(mode, all)));
    return { rows, missing };
  } finally {
    for (const one of ours.reverse()) await one.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main(args) {
  if (process.getuid?.() !== 0) throw new Error("the bench makes namespaces and control groups: run it as root");
  if (!((await compile()) && (await bundle()))) throw new Error("the build failed; see above");
  const { rows, missing } = await run();
  const networks = await benchNetworks(); // last: it moves this process into a network namespace for good
  const machine = { kernel: release(), node: process.version, processors: availableParallelism() };
  if (args.includes("--json"))
    process.stdout.write(`${JSON.stringify({ machine, rows, missing, networks }, null, 2)}\n`);
  else {
    printTable(rows, missing);
    printNetworks(networks);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
}
