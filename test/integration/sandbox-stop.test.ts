// How a job is ended: by signals that podium hands on, by a stop with its grace, by its deadline, and by itself.
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { membersOf } from "../../sandbox/cgroup/placement.ts";
import { Canary, familyOf, living, stateOf } from "../support/processes.ts";
import { runSandbox, type StartedJob, startSandbox, type TestRequest, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("podium sandbox: stop, timeout and signals");
const needs = requires("root", "libseccomp");
const { SIGTERM, SIGKILL, SIGINT, SIGUSR1 } = constants.signals;

/** Forks as fast as the pids limit lets it: session leaders, double-forked daemons, and children that fork again. */
const storm = `
import os, time
while True:
    try:
        if os.fork() == 0:
            os.setsid()
            if os.fork() != 0: os._exit(0)
            continue
    except OSError:
        time.sleep(0.001)`;

async function startScript(zygote: TestZygote, script: string, request: TestRequest = {}): Promise<StartedJob> {
  return zygote.start({ ...request, argv: ["sh", "-c", script] });
}

/** Waits until it has said that it is ready: its traps are set. */
async function ready(job: StartedJob): Promise<StartedJob> {
  await until("it is ready", () => readFileSync(`${job.folder}/stdout`, "utf8").startsWith("ready\n"));
  return job;
}

async function stop(job: StartedJob, message: { signal: number; graceMs: number }) {
  const control = await job.control();
  const started = performance.now();
  control.stop({ ...message, by: "a test" });
  const finished = await job.finished;
  control.close();
  return { ...finished, tookMs: performance.now() - started };
}

test("L06 stop kills child, grandchild, session leader, daemon and a fork storm, and nothing else", needs, async () => {
  using canary = new Canary();
  await using zygote = await TestZygote.open();
  const family = `
    sleep 100 &
    sh -c 'sleep 100 & wait' &
    setsid sleep 100 &
    (setsid sh -c '(trap "" TERM; sleep 100) & exit' &)
    sleep 100`;
  const job = await startScript(zygote, family);
  const group = zygote.groupOf(job.job, "pids");
  await until("all are there", () => membersOf(group).length >= 6);
  const members = membersOf(group);
  const { record } = await stop(job, { signal: SIGTERM, graceMs: 5000 });
  assert.equal([record.cause, record.by, record.signal], ["STOPPED", "a test", "SIGTERM"]);
  assert.equal(members.filter(living), []);
  assert.equal(membersOf(group), []);

  const stormy = await zygote.start({ argv: ["python3", "-c", storm], pids: 400 });
  await until("a storm", () => membersOf(zygote.groupOf(stormy.job, "pids")).length > 100);
  await sleep(500);
  const stormers = membersOf(zygote.groupOf(stormy.job, "pids"));
  const end = await stop(stormy, { signal: SIGTERM, graceMs: 1000 });
  assert.is(end.record.cause, "STOPPED");
  assert.equal(stormers.filter(living), []);
  assert.equal(membersOf(zygote.groupOf(stormy.job, "pids")), []);
  assert.ok(canary.lives);
});

test(
  "L07 a job that ignores TERM is killed after the grace; one that traps it ends with its own code",
  needs,
  async () => {
    await using zygote = await TestZygote.open();
    const deaf = await startScript(zygote, "trap '' TERM; echo ready; while :; do sleep 0.05; done");
    await ready(deaf);
    const killed = await stop(deaf, { signal: SIGTERM, graceMs: 600 });
    assert.equal([killed.record.cause, killed.record.signal], ["STOPPED", "SIGKILL"]);
    assert.ok(killed.tookMs >= 600 && killed.tookMs < 20_000, `${killed.tookMs} ms`);

    const polite = await startScript(zygote, "trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.05; done");
    await ready(polite);
    const ended = await stop(polite, { signal: SIGTERM, graceMs: 40_000 });
    assert.equal([ended.record.cause, ended.record.exitCode, ended.record.signal], ["STOPPED", 9, null]);
    assert.is(ended.stdout, "ready\nbye\n");
    assert.ok(ended.tookMs < 30_000, `${ended.tookMs} ms`);

    const deafToBoth = "trap '' TERM INT; echo ready; while :; do sleep 0.05; done";
    const atOnce = await ready(await startScript(zygote, deafToBoth));
    assert.is((await stop(atOnce, { signal: SIGKILL, graceMs: 60_000 })).record.signal, "SIGKILL");
    const noGrace = await ready(await startScript(zygote, deafToBoth));
    assert.is((await stop(noGrace, { signal: SIGINT, graceMs: 0 })).record.signal, "SIGKILL");
  },
);

test("the first stop's grace is not lengthened by a second one, and the first one's name stays", needs, async () => {
  await using zygote = await TestZygote.open();
  const job = await ready(await startScript(zygote, "trap '' TERM; echo ready; while :; do sleep 0.05; done"));
  const control = await job.control();
  control.stop({ signal: SIGTERM, graceMs: 700, by: "the first" });
  control.stop({ signal: SIGTERM, graceMs: 60_000, by: "the second" });
  const { record } = await job.finished;
  control.close();
  assert.equal([record.by, record.signal], ["the first", "SIGKILL"]);
});

test("L10 the timeout ends the job with cause TIMEOUT, even if it exits 0 on TERM", needs, async () => {
  const polite = await runSandbox([
    "--timeout=2s",
    "--",
    "sh",
    "-c",
    "trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done",
  ]);
  assert.equal([polite.code, polite.stdout], [124, "bye\n"]);
  assert.is(polite.stderr, "podium: TIMEOUT: ran longer than its timeout of 2s\n");

  await using zygote = await TestZygote.open();
  const scripts = {
    deaf: "trap '' TERM; while :; do sleep 0.05; done",
    stopped: "kill -STOP $$",
    "stopped by a child": "trap '' TERM; kill -STOP $$; while :; do sleep 0.05; done",
    parent: "sleep 100 & wait",
  };
  for (const [name, script] of Object.entries(scripts)) {
    const started = performance.now();
    const { record } = await zygote.run(script, { timeoutMs: 300 });
    const tookMs = performance.now() - started;
    assert.is(record.cause, "TIMEOUT", name);
    assert.ok(tookMs >= 300 && tookMs < 30_000, `${name}: ${tookMs} ms`);
  }
  const inTime = await zygote.run("sleep 0.1; exit 3", { timeoutMs: 60_000 });
  assert.equal([inTime.record.cause, inTime.record.exitCode], ["EXITED", 3]);
});

test("a fork storm with setsid and double forks is gone when its deadline passes, a canary lives", needs, async () => {
  using canary = new Canary();
  await using zygote = await TestZygote.open();
  const job = await zygote.start({ argv: ["python3", "-c", storm], pids: 400, timeoutMs: 4000 });
  let stormers: number[] = [];
  await until("a storm", () => {
    stormers = membersOf(zygote.groupOf(job.job, "pids"));
    return stormers.length > 100;
  });
  const { record } = await job.finished;
  assert.is(record.cause, "TIMEOUT");
  assert.equal(stormers.filter(living), []);
  assert.ok(canary.lives);
});

test("a timeout that passes while the job is still being set up ends it the same way", needs, async () => {
  for (const timeout of ["1ms", "3ms", "8ms"]) {
    const { code, stderr } = await runSandbox([`--timeout=${timeout}`, "--", "sleep", "30"]);
    assert.equal([code, stderr], [124, `podium: TIMEOUT: ran longer than its timeout of ${timeout}\n`]);
  }
});

test("L16 INT, TERM, HUP, QUIT, USR1 and USR2 to podium reach the command", needs, async () => {
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const) {
    const short = name.slice(3);
    const script = `trap 'echo got ${short}; exit 5' ${short}; echo ready; while :; do sleep 0.05; done`;
    const job = startSandbox(["--", "sh", "-c", script], { input: "" });
    await job.sees("ready");
    process.kill(job.pid, name);
    const { code, stdout, stderr } = await job.ended;
    assert.equal([code, stdout.toString(), stderr], [5, `ready\ngot ${short}\n`, ""]);
  }
  const plain = startSandbox(["--", "sh", "-c", "echo ready; exec sleep 100"], { input: "" });
  await plain.sees("ready");
  process.kill(plain.pid, "SIGTERM");
  const { code, stderr } = await plain.ended;
  assert.equal([code, stderr], [143, "podium: SIGNALED: ended by SIGTERM\n"]);
});

test("a signal that comes while podium sets the job up is handed on, and nothing stays behind", needs, async () => {
  for (const waitMs of [120, 160, 200, 240]) {
    const job = startSandbox(["--", "sleep", "100"], { input: "" });
    await sleep(waitMs);
    process.kill(job.pid, "SIGTERM");
    const { code, signal } = await job.ended;
    // Before it has made anything, podium itself ends by it.
    assert.ok(code === 143 || signal === "SIGTERM", `after ${waitMs} ms: ${code} ${signal}`);
  }
});

test("signals to init from the host stop the job; from inside nothing reaches it", needs, async () => {
  await using zygote = await TestZygote.open();
  const job = await ready(await startScript(zygote, "trap 'exit 4' TERM; echo ready; while :; do sleep 0.05; done"));
  process.kill(job.initPid, "SIGTERM");
  const { record } = await job.finished;
  assert.equal([record.cause, record.exitCode, record.by], ["STOPPED", 4, "a signal to its init"]);

  const harmless = await startScript(zygote, "sleep 1.5; exit 2");
  for (const signal of ["SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGALRM", "SIGPIPE", "SIGCHLD"] as const) {
    process.kill(harmless.initPid, signal);
  }
  assert.is((await harmless.finished).record.exitCode, 2);
});

test("any signal up to 64 can be sent through the control socket; garbage there ends nothing", needs, async () => {
  await using zygote = await TestZygote.open();
  const script = "trap 'echo usr1; end=1' USR1; echo ready; until [ $end ]; do sleep 0.05; done";
  const job = await ready(await startScript(zygote, script));
  const broken = await job.control();
  broken.signal(12_345);
  broken.socket.write(Buffer.alloc(100, 0xff));
  const cut = await job.control();
  cut.socket.end(Buffer.from([9, 0, 0]));
  await sleep(300);
  const control = await job.control();
  control.signal(SIGUSR1);
  const { record, stdout } = await job.finished;
  for (const client of [control, broken, cut]) client.close();
  assert.equal([record.cause, record.exitCode, stdout], ["EXITED", 0, "ready\nusr1\n"]);
});

test("a command that stops itself is continued from outside and ends", needs, async () => {
  const job = startSandbox(["--", "sh", "-c", "echo ready; kill -STOP $$; echo on; exit 8"], { input: "" });
  await job.sees("ready");
  const { command } = familyOf(job.pid);
  while (stateOf(command) !== "T") await sleep(20);
  process.kill(command, "SIGCONT");
  const { code, stdout } = await job.ended;
  assert.equal([code, stdout.toString()], [8, "ready\non\n"]);
});
