// `npm run bench:soak`: does anything grow? Thousands of short jobs against one server, then thousands of idle connections
// and a client that does not read, while another user starts jobs. Prints figures; ends 1 when something is not flat.
// `--jobs N` (5000), `--idle N` (10000), `--json`. Needs root.
import { once } from "node:events";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { parseArgs } from "node:util";
import { bundle, compile } from "./build.mjs";

const { values: flags } = parseArgs({
  options: { jobs: { type: "string" }, idle: { type: "string" }, json: { type: "boolean" } },
});
const jobs = Number(flags.jobs ?? 5000);
const idle = Number(flags.idle ?? 10_000);
const atOnce = 16;
const samples = 10;
const starts = 41;
/** Kept finished jobs: without, the disk would grow as it should. */
const kept = 100;

/** What may differ between the second sample (everything is warm) and the last; the zygote holds some of each job that runs or waits ready-made. */
const bounds = { serverMiB: 48, zygoteMiB: 8, serverFiles: 8, zygoteFiles: 96, jobFolders: 4 * kept };
const startRatio = 2;

const built = (path) => import(new URL(`../build/${path}`, import.meta.url));
const say = (text) => flags.json || process.stdout.write(`${text}\n`);

function processFigures(pid) {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return { MiB: Math.round(Number(kilobytes) / 102.4) / 10, files: readdirSync(`/proc/${pid}/fd`).length };
}

/** Job folders go meanwhile, and what was below them. */
function bytesBelow(folder) {
  return entriesOf(folder).reduce((sum, entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sum + bytesBelow(path);
    return sum + (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
  }, 0);
}

function entriesOf(folder) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
    return [];
  }
}

function sampleOf(server, done) {
  const [own, zygote] = [server.pid, Number(readFileSync(join(server.data, "zygote.pid"), "utf8"))].map(processFigures);
  const folders = readdirSync(join(server.data, "jobs")).length;
  const dataMiB = Math.round(bytesBelow(server.data) / 2 ** 20);
  return {
    done,
    serverMiB: own.MiB,
    serverFiles: own.files,
    zygoteMiB: zygote.MiB,
    zygoteFiles: zygote.files,
    jobFolders: folders,
    dataMiB,
  };
}

async function shortJobs(podium, server, { StartRequest, startJob, waitForJob }) {
  const table = [];
  let next = 0;
  let done = 0;
  const worker = async () => {
    while (next++ < jobs) {
      const id = await startJob(podium, StartRequest.create({ argv: ["/bin/echo", "short"] }));
      const { outcome } = await waitForJob(podium, id);
      if (outcome?.exitCode !== 0) throw new Error(`job ${id} failed: ${outcome?.message}`);
      done++;
      if (done % Math.ceil(jobs / samples) !== 0) continue;
      table.push(sampleOf(server, done));
      say(
        Object.entries(table.at(-1))
          .map(([key, value]) => `${key} ${value}`)
          .join("  "),
      );
    }
  };
  const from = performance.now();
  await Promise.all(Array.from({ length: atOnce }, worker));
  const perSecond = Math.round(jobs / ((performance.now() - from) / 1000));
  return { table, perSecond };
}

async function medianStart(podium, { StartRequest, startJob, waitForJob }) {
  const times = [];
  for (let i = 0; i < starts; i++) {
    const from = performance.now();
    const id = await startJob(podium, StartRequest.create({ argv: ["/bin/true"] }));
    times.push(performance.now() - from);
    await waitForJob(podium, id);
  }
  return Math.round(times.sort((a, b) => a - b)[Math.floor(starts / 2)] * 100) / 100;
}

/** Connections of another user that say nothing, and one that asks for a large log and does not read it. */
async function crowd(server, podium, { StartRequest, startJob }) {
  const { secureContext } = podium.connection;
  const options = { host: "127.0.0.1", port: server.port, secureContext, ALPNProtocols: ["h2"] };
  const sockets = [];
  const open = async () => {
    const socket = connectTls({ ...options, checkServerIdentity: () => undefined });
    socket.on("error", () => {});
    await once(socket, "secureConnect");
    sockets.push(socket);
  };
  for (let i = 0; i < idle; i += 50) await Promise.all(Array.from({ length: Math.min(50, idle - i) }, open));
  await startJob(podium, StartRequest.create({ cmd: "head -c 300000000 /dev/zero" }));
  return sockets;
}

async function withCrowd(alice, bob, server, client) {
  await medianStart(alice, client);
  const alone = await medianStart(alice, client);
  const before = processFigures(server.pid);
  const sockets = await crowd(server, bob, client);
  const log = client.serverStream(
    bob,
    client.LoggerService.log,
    client.LogRequest.create({ id: BigInt(client.last()) }),
  );
  await log.next(); // and no more
  const crowded = await medianStart(alice, client);
  const during = processFigures(server.pid);
  await log.return();
  for (const socket of sockets) socket.destroy();
  return { alone, crowded, ratio: Math.round((crowded / alone) * 100) / 100, before, during };
}

function faults({ table }, { ratio }) {
  const [, warm, ...rest] = table;
  const last = rest.at(-1) ?? warm;
  const grown = ["serverMiB", "zygoteMiB", "serverFiles", "zygoteFiles"].filter(
    (key) => last[key] - warm[key] > bounds[key],
  );
  const found = grown.map((key) => `${key} grew from ${warm[key]} to ${last[key]}`);
  if (last.jobFolders > bounds.jobFolders) found.push(`${last.jobFolders} job folders are left`);
  if (ratio > startRatio) found.push(`Start took ${ratio} times as long with ${idle} idle connections`);
  return found;
}

function tellCrowd({ alone, crowded, ratio, before, during }) {
  say(`Start, median of ${starts}: ${alone} ms alone, ${crowded} ms (${ratio} times) beside ${idle} idle connections`);
  say("and a client that does not read");
  say(`server: ${before.MiB} MiB and ${before.files} descriptors before, ${during.MiB} MiB and ${during.files} during`);
}

async function main() {
  if (process.getuid?.() !== 0) throw new Error("it makes namespaces and control groups: run it as root");
  if (!((await compile()) && (await bundle()))) throw new Error("the build failed; see above");
  const [{ TestServer }, wire, start, waiting, call] = await Promise.all(
    [
      "test/support/server.js",
      "src/gen/podium.js",
      "src/client/start.js",
      "src/client/jobs.js",
      "src/client/call.js",
    ].map(built),
  );
  const retention = { total: { count: kept }, atLeast: "0s" };
  const server = await TestServer.start({ config: { retention, logLevel: "error" } });
  const [alice, bob] = [server.connect("alice"), server.connect("bob")];
  let found = [];
  try {
    const last = () => Math.max(...readdirSync(join(server.data, "jobs")).map(Number));
    const client = { ...wire, ...start, ...waiting, ...call, last };
    const soak = await shortJobs(alice, server, client);
    say(`${jobs} jobs, ${soak.perSecond} a second`);
    const crowded = await withCrowd(alice, bob, server, client);
    tellCrowd(crowded);
    found = faults(soak, crowded);
    if (flags.json)
      process.stdout.write(`${JSON.stringify({ jobs, idle, ...soak, crowded, faults: found }, null, 2)}\n`);
  } finally {
    for (const podium of [alice, bob]) podium[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  }
  for (const fault of found) process.stderr.write(`soak: ${fault}\n`);
  if (found.length > 0) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  process.stderr.write(`soak: ${error.stack}\n`);
  process.exitCode = 1;
}
