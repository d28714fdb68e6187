// Jobs per second with 1, 4, 16 and 64 in flight, beside runc and docker run one after the other.
import { line } from "./figures.mjs";

const inFlight = [1, 4, 16, 64];
const seconds = 4;
const peerRuns = 10;

async function jobsPerSecond(run, atOnce) {
  const until = performance.now() + seconds * 1000;
  const from = performance.now();
  let done = 0;
  const worker = async () => {
    while (performance.now() < until) {
      await run();
      done++;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return done / ((performance.now() - from) / 1000);
}

async function sequential({ run }) {
  const from = performance.now();
  for (let i = 0; i < peerRuns; i++) await run();
  return peerRuns / ((performance.now() - from) / 1000);
}

export async function throughput({ server, peers }) {
  const lines = [];
  const rate = new Map();
  for (const atOnce of inFlight) {
    rate.set(atOnce, await jobsPerSecond(server.run, atOnce));
    lines.push(line("throughput", `${atOnce} in flight`, rate.get(atOnce), { unit: "jobs/s" }));
  }
  for (const [name, bar] of [
    ["runc run", 8],
    ["docker run, bridge", 80],
  ]) {
    const peer = peers.find((one) => one.name === name);
    if (peer === undefined) continue;
    const theirs = await sequential(peer);
    lines.push(line("throughput", `${name}, one after the other`, theirs, { unit: "jobs/s" }));
    lines.push(line("throughput", `16 in flight to ${name}`, rate.get(16) / theirs, { bar, atLeast: true }));
  }
  return { rows: [], lines };
}
