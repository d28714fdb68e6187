import * as assert from "uvu/assert";
import { requires, suite } from "../support/suite.ts";
import { chaos } from "./chaos.ts";

const test = suite("chaos", { testSeconds: 300 });

test(
  "no job is lost, run twice or told wrongly while server, zygote, inits and clients die at random",
  requires("root", "libseccomp"),
  async () => {
    const seed = Number(process.env.CHAOS_SEED ?? 1); // `npm run chaos` takes another each time
    console.log(`seed ${seed} (CHAOS_SEED=${seed} gives the same jobs and kills)`);
    const counts = await chaos({ rounds: 20, seed, tell: console.log });
    console.log(JSON.stringify(counts));
    assert.is(counts.rounds, 20);
    assert.ok(counts.serverKills > 0 && counts.zygoteKills > 0 && counts.clientCuts > 0);
  },
);
