// Runs the trials and prints what was found as JSON, one line. It runs as the zygote does, `node --single-threaded
// --v8-pool-size=0 trials.cjs ID-LOCKS`: several of them work only in a process of one thread. Then it waits for the end of
// its stdin, so that the user namespace it tells of can be opened.
import { writeSync } from "node:fs";
import { usualIdRanges } from "../id-ranges.ts";
import { read } from "../sys/descriptors.ts";
import { makeUserNamespace } from "../zygote/user-namespaces.ts";
import { run } from "./trial.ts";
import { trialsOf } from "./trials.ts";

/** Nobody ever lives in it. null: the host has none; its own line says why. */
function anyUserNamespace(): number | null {
  const map = `0 ${usualIdRanges.first} 1`;
  try {
    return makeUserNamespace(map, map);
  } catch {
    return null;
  }
}

const checks = trialsOf(process.argv[2] ?? "").map(run);
writeSync(1, `${JSON.stringify({ checks, userNamespace: anyUserNamespace() })}\n`);
read(0, Buffer.alloc(1));
