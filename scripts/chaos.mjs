// `npm run chaos [ROUNDS] [SEED]`: 200 rounds, unless said, of random jobs while server, zygote and inits are killed and clients
// cut; test/recovery/chaos.ts says what must hold. Ends 0 when all of it did, and the host is as before. It takes about three
// seconds a round, and ends by itself with what hangs. Needs root.
import { bundle, compile } from "./build.mjs";

const [rounds = 200, seed = Date.now() % 2 ** 32] = process.argv.slice(2).map(Number);

if (!(await compile()) || !(await bundle())) process.exit(1);
const { chaos } = await import("../build/test/recovery/chaos.js");
const { hostState, settledLeaks } = await import("../build/test/support/host-state.js");
const before = hostState();
console.log(`${rounds} rounds, seed ${seed}`);
const start = performance.now();
try {
  const counts = await chaos({ rounds, seed, tell: console.log });
  const left = await settledLeaks(before);
  const seconds = Math.round((performance.now() - start) / 1000);
  console.log(`${JSON.stringify(counts)} in ${seconds} s; left on the host: ${left.join(", ") || "nothing"}`);
  process.exitCode = left.length === 0 ? 0 : 1;
} catch (error) {
  console.log(error);
  console.log(`seed ${seed}`);
  process.exitCode = 1;
}
