// Loaded into a server by `--import`: measures its event loop. SIGUSR2 begins anew; what was measured since is written to
// the file LOOP_WATCH at each SIGUSR2 and at the end, one JSON document a line.
import { appendFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { measureLoopDelay } from "./net-loop-delay.ts";

const file = process.env.LOOP_WATCH ?? "";
const histogram = monitorEventLoopDelay({ resolution: 1 });
histogram.enable();
let stop = measureLoopDelay();

function report(): void {
  const percentiles = [50, 90, 99, 100].map((share) => [share, Number((histogram.percentile(share) / 1e6).toFixed(2))]);
  appendFileSync(file, `${JSON.stringify({ ...stop(), percentiles: Object.fromEntries(percentiles) })}\n`);
}

process.on("SIGUSR2", () => {
  report();
  histogram.reset();
  stop = measureLoopDelay();
});
process.on("exit", report);
