// What starting one job costs, beside what else starts a program, all by turns: whatever else the machine does hits all alike.
import { setTimeout as sleep } from "node:timers/promises";
import { figures, line, ratio } from "./figures.mjs";
import { zygote } from "./podium.mjs";

/** How often each is measured, how many times in a row, and after which pause before each. */
const modes = [
  { name: "back to back", times: 60, inARow: 10, gapMs: 0 },
  { name: "100 ms gaps", times: 40, inARow: 1, gapMs: 100 },
];
/** A slow peer is measured so many times at most. */
const slowTimes = 12;
const warmUps = 10;
const settleMs = 1500;

async function measure(mode, measured) {
  const samples = new Map(measured.map(({ name }) => [name, []]));
  for (let round = 0; round < mode.times / mode.inARow; round++) {
    for (const { name, run, slow } of measured) {
      const taken = samples.get(name);
      for (let i = 0; i < mode.inARow && !(slow && taken.length >= slowTimes); i++) {
        if (mode.gapMs > 0) await sleep(mode.gapMs);
        taken.push(await run());
      }
    }
  }
  return samples;
}

function rowsOf(mode, samples) {
  return [...samples].flatMap(([name, values]) => {
    const row = { mode: mode.name, name, ...figures(values.map(({ total }) => total)) };
    if (values[0].answered === undefined) return [row];
    return [{ mode: mode.name, name: `${name}: exec'd`, ...figures(values.map(({ answered }) => answered)) }, row];
  });
}

/** Median of an empty call, which is what the wire costs. */
async function emptyCall(server) {
  const samples = [];
  for (let i = 0; i < 60; i++) {
    const from = performance.now();
    await server.call();
    samples.push(performance.now() - from);
  }
  return figures(samples).median;
}

/** Rows of milliseconds for the table and the picture, and lines with the bars. */
export async function start({ folder, server, peers }) {
  const alone = await zygote(folder);
  try {
    await sleep(settleMs);
    const all = [...peers, alone, server];
    for (let i = 0; i < warmUps; i++) for (const one of all) if (!one.slow) await one.run();
    const rows = [];
    for (const mode of modes) rows.push(...rowsOf(mode, await measure(mode, all)));
    const lines = [line("start", "empty unary call, median", await emptyCall(server), { unit: "ms" })];
    for (const { name: mode } of modes) {
      const median = (name) => rows.find((row) => row.mode === mode && row.name === name)?.median;
      const bwrap = median("bwrap --unshare-all true");
      if (bwrap === undefined) continue;
      const over = ratio(median(server.name), bwrap);
      lines.push(line("start", `Start to outcome over mTLS to bwrap, ${mode}`, over, { bar: 1 }));
      lines.push(
        line("start", `zygote, start to reaped to bwrap, ${mode}`, ratio(median(alone.name), bwrap), { bar: 2 }),
      );
    }
    return { rows, lines };
  } finally {
    await alone.close();
  }
}
