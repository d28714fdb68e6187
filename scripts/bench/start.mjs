// What starting one job costs, beside what else starts a program, all by turns: whatever else the machine does hits all alike.
import { setTimeout as sleep } from "node:timers/promises";
import { figures, line, ratio } from "./figures.mjs";
import { floor } from "./floor.mjs";
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

/** A daemon tidies up after each of its runs, beside whatever is measured then: the slow ones come when the others are done. */
async function measure(mode, measured) {
  const samples = new Map(measured.map(({ name }) => [name, []]));
  const inTurn = [measured.filter(({ slow }) => !slow), measured.filter(({ slow }) => slow)];
  for (const [i, some] of inTurn.entries()) {
    const times = i === 0 ? mode.times : slowTimes;
    for (let round = 0; round < times / mode.inARow; round++) {
      for (const { name, run } of some) await take(samples.get(name), run, mode, times);
    }
  }
  return samples;
}

/** Some in a row. */
async function take(taken, run, { inARow, gapMs }, times) {
  for (let i = 0; i < inARow && taken.length < times; i++) {
    if (gapMs > 0) await sleep(gapMs);
    taken.push(await run());
  }
}

function rowsOf(mode, samples) {
  return [...samples].flatMap(([name, values]) => {
    const row = { mode: mode.name, name, ...figures(values.map(({ total }) => total)) };
    if (values[0].answered === undefined) return [row];
    return [{ mode: mode.name, name: `${name}: exec'd`, ...figures(values.map(({ answered }) => answered)) }, row];
  });
}

/** An empty call, which is what the wire costs, as one more that is measured by turns. */
function emptyCall(server) {
  const run = async () => {
    const from = performance.now();
    await server.call();
    return { total: performance.now() - from };
  };
  return { name: "empty call over mTLS", run };
}

/** The same job in one call, its output included. */
function oneCall({ runInOneCall: run }) {
  return { name: "podium over mTLS, in one call (Run)", run };
}

/** The ratios that have bars, of one mode. */
function ratiosOf(mode, median, { server, single, alone, bottom, empty }) {
  const bwrap = median("bwrap --unshare-all true");
  const answered = median(`${server.name}: exec'd`) - median(empty.name);
  const lines = [];
  if (bottom.run !== null) {
    const over = answered / median(bottom.name);
    lines.push(line("start", `Start answered without the wire to the floor, ${mode}`, over, { bar: 1 }));
  }
  if (bwrap === undefined) return lines;
  const over = ratio(median(server.name), bwrap);
  const reaped = ratio(median(alone.name), bwrap);
  return [
    ...lines,
    line("start", `Start to outcome over mTLS to bwrap, ${mode}`, over, { bar: 1 }),
    line("start", `the same in one call, with its output, ${mode}`, ratio(median(single.name), bwrap), { bar: 1 }),
    line("start", `zygote, start to reaped to bwrap, ${mode}`, reaped, { bar: 2 }),
  ];
}

/** Rows of milliseconds for the table and the picture, and lines with the bars. */
export async function start({ folder, server, peers }) {
  const alone = await zygote(folder);
  const bottom = await floor(folder);
  const [empty, single] = [emptyCall(server), oneCall(server)];
  try {
    await sleep(settleMs);
    const all = [bottom, ...peers, alone, server, single, empty].filter(({ run }) => run !== null);
    for (let i = 0; i < warmUps; i++) for (const one of all) if (!one.slow) await one.run();
    const [rows, lines] = [[], []];
    for (const mode of modes) {
      rows.push(...rowsOf(mode, await measure(mode, all)));
      const median = (name) => rows.find((row) => row.mode === mode.name && row.name === name)?.median;
      lines.push(...ratiosOf(mode.name, median, { server, single, alone, bottom, empty }));
    }
    const missing = bottom.run === null ? [`${bottom.name}: does not run on this host; see above`] : [];
    return { rows, lines, missing };
  } finally {
    await bottom.close();
    await alone.close();
  }
}
