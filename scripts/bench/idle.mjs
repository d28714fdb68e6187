// What jobs that only wait cost the others, and the memory of each: 0, 100 and 1,000 of them.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { figures, line, medianLine } from "./figures.mjs";

const counts = [0, 100, 1000];
const starts = 31;
const atOnce = 8;
const settleMs = 2000;

const read = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it has ended meanwhile
  }
};
const kib = (text, field) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);

/** Private memory and page tables of the server, its zygote and all inits, the waiting commands left out, in KiB. */
function ownKib(server, zygote) {
  const inits = read(`/proc/${zygote}/task/${zygote}/children`).split(" ").filter(Boolean).map(Number);
  const figuresOf = (pid) => {
    const roll = read(`/proc/${pid}/smaps_rollup`);
    return kib(roll, "Private_Clean") + kib(roll, "Private_Dirty") + kib(read(`/proc/${pid}/status`), "VmPTE");
  };
  return [server, zygote, ...inits].reduce((sum, pid) => sum + figuresOf(pid), 0);
}

async function startTimes(server) {
  const samples = [];
  for (let i = 0; i < starts; i++) {
    await sleep(50);
    samples.push((await server.run()).answered);
  }
  return samples;
}

async function startIdle(server, count) {
  const ids = [];
  let left = count;
  const worker = async () => {
    while (left-- > 0) ids.push(await server.start(["/usr/bin/sleep", "100000"]));
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return ids;
}

export async function idle({ server }) {
  const zygote = Number(readFileSync(`${server.host.data}/zygote.pid`, "utf8"));
  const lines = [];
  const medians = [];
  let [running, before] = [0, 0];
  for (const count of counts) {
    await startIdle(server, count - running);
    running = count;
    await sleep(settleMs);
    const used = ownKib(server.host.pid, zygote);
    if (count === 0) before = used;
    else
      lines.push(
        line("idle", `memory for each of ${count} idle jobs`, (used - before) / count / 1024, { unit: "MiB", bar: 2 }),
      );
    const samples = await startTimes(server);
    medians.push(figures(samples).median);
    lines.push(medianLine("idle", `Start answered with ${count} idle jobs, median`, samples, { unit: "ms" }));
  }
  lines.push(line("idle", "Start with 1,000 idle jobs to none", medians.at(-1) / medians[0], { bar: 1.3 }));
  await server.host.stopJobs();
  return { rows: [], lines };
}
