// Runs the trials and prints what was found as JSON. It runs as the zygote does, `node --single-threaded
// --v8-pool-size=0 trials.cjs ID-LOCKS`: several of them work only in a process of one thread.
import { writeSync } from "node:fs";
import { run } from "./trial.ts";
import { trialsOf } from "./trials.ts";

writeSync(1, JSON.stringify(trialsOf(process.argv[2] ?? "").map(run)));
