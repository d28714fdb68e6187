// Following a job's output: megabytes per second beside a bare grpc-js stream of the same chunks over the same TLS, and how
// long a line takes from the job's write(2) to the client.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { built } from "./built.mjs";
import { figures, line, medianLine } from "./figures.mjs";

const mebibytes = 256;
/** Followers at once, and how much each of them reads. */
const followers = [1, 10, 100];
const followedMebibytes = 16;
const rounds = 7;
const ticks = 150;
const peer = fileURLToPath(new URL("bare-log.mjs", import.meta.url));

async function bareServer(certs) {
  const child = spawn(process.execPath, [peer, certs, String(mebibytes)], { stdio: ["pipe", "pipe", "inherit"] });
  const [port] = await once(child.stdout, "data");
  const end = async () => {
    child.stdin.end();
    await once(child, "exit");
  };
  return { end, port: Number(port) };
}

async function megabytesPerSecond(pieces) {
  const from = performance.now();
  let bytes = 0;
  for await (const piece of pieces) bytes += piece.bytes.length;
  if (bytes < mebibytes << 20) throw new Error(`only ${bytes} bytes of the log came`);
  return bytes / 1e6 / ((performance.now() - from) / 1000);
}

async function streamed(server) {
  const { followLogs } = await built("src/client/logs.js");
  const { connect } = await built("src/client/connect.js");
  const { loadProfile } = await built("src/client/profile.js");
  const id = await server.start(["sh", "-c", `head -c ${mebibytes << 20} /dev/zero | tr '\\0' x`]);
  await server.wait(id);
  const bare = await bareServer(server.host.certs);
  const profile = loadProfile(
    { profile: server.host.profile("bench"), server: `127.0.0.1:${bare.port}` },
    {},
    "/nonexistent",
  );
  const other = connect(profile);
  const [ours, theirs] = [[], []];
  try {
    for (let i = 0; i < rounds; i++) {
      theirs.push(await megabytesPerSecond(followLogs(other, 1n, { stream: "stdout" })));
      ours.push(await megabytesPerSecond(followLogs(server.podium, id, { stream: "stdout" })));
    }
  } finally {
    other[Symbol.dispose]();
    await bare.end();
  }
  const ratios = ours.map((one, i) => one / theirs[i]);
  return [
    medianLine("log", "podium, median", ours, { unit: "MB/s" }),
    medianLine("log", "bare grpc-js stream, median", theirs, { unit: "MB/s" }),
    medianLine("log", "podium to bare stream, of each pair, median", ratios, { bar: 0.85, atLeast: true }),
  ];
}

/** The job says the time in nanoseconds at each line; both ends have the same clock. */
async function latency(server) {
  const { followLogs } = await built("src/client/logs.js");
  const script = `i=0; while [ $i -lt ${ticks} ]; do date +%s%N; sleep 0.02; i=$((i+1)); done`;
  const id = await server.start(["sh", "-c", script]);
  const samples = [];
  for await (const { bytes } of followLogs(server.podium, id, { stream: "stdout" })) {
    const nowMs = performance.timeOrigin + performance.now();
    for (const stamp of bytes.toString().trim().split("\n")) samples.push(nowMs - Number(stamp) / 1e6);
  }
  const of = figures(samples);
  return [
    medianLine("log", "write in the job to bytes in the client, median", samples, { unit: "ms" }),
    line("log", "write in the job to bytes in the client, p99", of.p99, { unit: "ms", bar: 5, of }),
  ];
}

/** All of them together: what one has is shared by many, as is the processor. */
async function followed(server) {
  const { followLogs } = await built("src/client/logs.js");
  const id = await server.start(["sh", "-c", `head -c ${followedMebibytes << 20} /dev/zero | tr '\\0' x`]);
  await server.wait(id);
  const follow = async () => {
    let bytes = 0;
    for await (const piece of followLogs(server.podium, id, { stream: "stdout" })) bytes += piece.bytes.length;
    if (bytes !== followedMebibytes << 20) throw new Error(`only ${bytes} bytes of the log came`);
    return bytes;
  };
  const lines = [];
  for (const count of followers) {
    const from = performance.now();
    const bytes = await Promise.all(Array.from({ length: count }, follow));
    const seconds = (performance.now() - from) / 1000;
    const rate = bytes.reduce((sum, each) => sum + each, 0) / 1e6 / seconds;
    lines.push(line("log", `${count} followers of one log, together`, rate, { unit: "MB/s" }));
  }
  return lines;
}

export async function log({ server }) {
  return { rows: [], lines: [...(await streamed(server)), ...(await followed(server)), ...(await latency(server))] };
}
