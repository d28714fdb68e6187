// Thousands of jobs through one zygote: none fails, none sees another's output, and the zygote does not grow.
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { runSandbox, type StartedJob, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("podium sandbox: many jobs", { testSeconds: 600, timeoutSeconds: 1500 });
const needs = requires("root", "libseccomp");

interface Footprint {
  readonly residentKib: number;
  readonly descriptors: number;
}

function footprint(pid: number): Footprint {
  const resident = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return { residentKib: Number(resident), descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

/** Runs `total` jobs, `atOnce` at a time. */
async function runMany(total: number, atOnce: number, job: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < total) await job(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

test(
  "5,000 sandboxes in a row, 16 at a time, through one zygote: none fails and the zygote stays flat",
  needs,
  async () => {
    await using zygote = await TestZygote.open();
    const run = async (n: number) => {
      const { record, stdout } = await zygote.run(["sh", "-c", `echo ${n}; exit ${n % 7}`]);
      assert.equal([record.cause, record.exitCode, stdout], ["EXITED", n % 7, `${n}\n`]);
    };
    await runMany(500, 16, run);
    await sleep(500);
    const before = footprint(zygote.client.pid);
    const started = performance.now();
    await runMany(4500, 16, run);
    const seconds = (performance.now() - started) / 1000;
    await until("it has let go of the last", () => footprint(zygote.client.pid).descriptors <= before.descriptors);
    const after = footprint(zygote.client.pid);
    const growth = `${before.residentKib} -> ${after.residentKib} KiB, ${before.descriptors} -> ${after.descriptors} fds`;
    console.log(`4,500 jobs in ${seconds.toFixed(1)} s (${Math.round(4500 / seconds)}/s); zygote ${growth}`);
    assert.ok(after.residentKib - before.residentKib < 8 * 1024, growth);
  },
);

test("1,100 run at once, and others start and end beside them as ever", needs, async () => {
  await using zygote = await TestZygote.open({ readyJobs: 8 });
  const running: StartedJob[] = [];
  await runMany(1100, 16, async () => {
    running.push(await zygote.start({ argv: ["sleep", "1000"] }));
  });
  for (const request of [{}, { memoryBytes: 16 << 20 }]) {
    const { record, stdout } = await zygote.run("ulimit -n; exit 4", request); // made in init's memory, and forked
    assert.equal([record.message, stdout], ["exited with code 4", "1024\n"]);
  }
  await runMany(running.length, 16, async (n) => {
    assert.is((await running[n]?.kill())?.record.cause, "STOPPED");
  });
});

test("64 at once from one zygote, each with its own output, code and limits", needs, async () => {
  await using zygote = await TestZygote.open();
  const jobs = Array.from({ length: 64 }, async (_, n) => {
    const script = `i=0; while [ $i -lt 200 ]; do echo out${n}; echo err${n} >&2; i=$((i+1)); done; exit ${n}`;
    const { record, stdout, stderr } = await zygote.run(script, { hostname: `job-${n}`, pids: 10 + n });
    assert.is(record.exitCode, n);
    assert.is(stdout, `out${n}\n`.repeat(200));
    assert.is(stderr, `err${n}\n`.repeat(200));
  });
  await Promise.all(jobs);
});

test("long requests and long failures side by side do not tear each other's frames", needs, async () => {
  await using zygote = await TestZygote.open();
  const long = "n".repeat(120_000);
  await runMany(96, 32, async (n) => {
    if (n % 3 === 0) {
      const { stdout } = await zygote.run(["echo", long, String(n)]);
      assert.is(stdout, `${long} ${n}\n`);
    } else {
      const { record } = await zygote.run([n % 3 === 1 ? `/${long}` : `${n}-no-such-command`]);
      assert.equal([record.cause, record.step], ["START_FAILED", "find"]);
    }
  });
});

test("jobs start and end right beside processor hogs", needs, async () => {
  await using zygote = await TestZygote.open();
  const hogs = Array.from({ length: 6 }, () =>
    zygote.run("while :; do :; done", { timeoutMs: 3500 }).then(({ record }) => record.cause),
  );
  await sleep(200);
  await runMany(60, 8, async (n) => {
    const { record, stdout } = await zygote.run(`echo ${n}; exit 1`);
    assert.equal([record.exitCode, stdout], [1, `${n}\n`]);
  });
  assert.equal(await Promise.all(hogs), Array(6).fill("TIMEOUT"));
});

test("eight podium sandbox at once sweep, lock and clean up without treading on each other", needs, async () => {
  await runMany(24, 8, async (n) => {
    const { code, stdout, stderr } = await runSandbox(["--", "sh", "-c", `echo ${n}; exit ${n}`]);
    assert.equal([code, stdout, stderr], [n, `${n}\n`, ""]);
  });
});
