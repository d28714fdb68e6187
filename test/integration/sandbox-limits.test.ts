// Memory, processes and processor time: the limits hold, the end says which one it was, and neighbours do not notice.
import { readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { openGroup } from "../../sandbox/cgroup/create.ts";
import { measured } from "../support/measured.ts";
import { runSandbox, runScript, TestZygote } from "../support/sandbox.ts";
import { stretched } from "../support/slowness.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("podium sandbox: limits");
const needs = requires("root", "libseccomp");
const onRealMachines = requires("root", "libseccomp", "swift");
const mebibyte = 1024 * 1024;

test("C01 a memory hog is killed with cause OOM while other jobs live", needs, async () => {
  await using zygote = await TestZygote.open();
  const neighbour = await zygote.start({ argv: ["sh", "-c", "sleep 3; echo fine"], memoryBytes: 32 * mebibyte });
  const hogs: Record<string, string> = {
    alone: "exec tail /dev/zero",
    "as a child": "tail /dev/zero & wait; sleep 30",
    "as a grandchild in a session of its own": "setsid sh -c 'tail /dev/zero & wait' & sleep 30",
    "many small ones":
      "for i in 1 2 3 4 5 6 7 8; do head -c 8M /dev/zero | tail -c 8M | sleep 30 & done; wait; sleep 30",
    "in tmpfs": "head -c 200M /dev/zero > /dev/shm/x || head -c 200M /dev/zero > /tmp/x; sleep 30",
  };
  for (const [name, script] of Object.entries(hogs)) {
    const { record } = await zygote.run(script, { memoryBytes: 32 * mebibyte, timeoutMs: stretched(20_000) });
    assert.is(record.cause, "OOM", `${name}: ${record.message}`);
    assert.match(record.message, /^out of memory \(limit 32M, peak (32|31\.\d)M\)$/, name);
  }
  assert.equal((await neighbour.finished).stdout, "fine\n");
});

test("the command line tells the limit and the peak, and ends with 137", onRealMachines, async () => {
  const ran = await runSandbox(["--memory=32M", "--", "tail", "/dev/zero"]);
  assert.equal([ran.code, ran.stderr], [137, "podium: OOM: out of memory (limit 32M, peak 32M)\n"]);
});

test("a command that is killed by itself below its limit is SIGNALED, not OOM", onRealMachines, async () => {
  await using zygote = await TestZygote.open();
  const { record } = await zygote.run("kill -9 $$", { memoryBytes: 32 * mebibyte });
  assert.equal([record.cause, record.signal], ["SIGNALED", "SIGKILL"]);
});

/** Prints how many processes it could make, and why no more. */
const count = `
import os, errno
made = 0
try:
    while True:
        if os.fork() == 0:
            os.read(0, 1); import time; time.sleep(30)
        made += 1
except OSError as e:
    print(made, errno.errorcode[e.errno])`;

test("C04 a fork bomb stops at the pids limit, fork fails and the job ends in order", needs, async () => {
  await using zygote = await TestZygote.open();
  for (const pids of [1, 4, 64]) {
    const { stdout } = await zygote.run(["python3", "-c", count], { pids });
    assert.is(stdout, `${pids - 1} EAGAIN\n`);
  }
  // The shell itself forks nothing more once the bomb has gone off.
  const bomb = await zygote.run("f() { f | f & }; sleep 2 & last=$!; f; wait $last; echo over", { pids: 50 });
  assert.equal([bomb.record.cause, bomb.record.exitCode, bomb.stdout], ["EXITED", 0, "over\n"]);
  assert.match(bomb.stderr, /Cannot fork/);
  const threads = `
import threading, time
made = 0
try:
    while made < 600:
        threading.Thread(target=time.sleep, args=(30,), daemon=True).start(); made += 1
except RuntimeError: pass
print(made, flush=True)
import os; os._exit(0)`;
  assert.is((await zygote.run(["python3", "-c", threads], { pids: 20 })).stdout, "19\n");
});

test("where no limit of processes was asked for it is 512", onRealMachines, async () => {
  await using zygote = await TestZygote.open();
  assert.is((await zygote.run(["python3", "-c", count])).stdout, "511 EAGAIN\n");
});

/** By then its processes are where they stay; the quota's period is 100 ms. */
const busySeconds = stretched(0.3);
const measuredMs = 3000;

interface Share {
  /** Cores that the job used. */
  readonly used: number;
  /** Cores of the machine that nobody used meanwhile. */
  readonly idle: number;
}

function idleSeconds(): number {
  return cpus().reduce((sum, { times }) => sum + times.idle, 0) / 1000;
}

/** From the time that it is busy on, so that what its start took does not count. */
async function measure(zygote: TestZygote, script: string, cores: number): Promise<Share> {
  const job = await zygote.start({ argv: ["sh", "-c", script], cpus: cores });
  const group = openGroup(zygote.cgroup, job.group);
  while (group.usage().cpuSeconds < busySeconds) await sleep(20);
  const look = () => ({ atMs: performance.now(), used: group.usage().cpuSeconds, idle: idleSeconds() });
  const began = look();
  await sleep(measuredMs);
  const ended = look();
  await job.kill();
  const seconds = (ended.atMs - began.atMs) / 1000;
  return { used: (ended.used - began.used) / seconds, idle: (ended.idle - began.idle) / seconds };
}

/** More than the limit is wrong every time; less is, unless others took all that the machine has. */
async function assertCores(zygote: TestZygote, script: string, cores: number): Promise<void> {
  const enough = cores * 0.9;
  const take = async () => {
    const { used, idle } = await measure(zygote, script, cores);
    assert.ok(used < cores * 1.1, `used ${used} cores of ${cores}`);
    return idle < 0.2 ? Math.max(used, cores) : used;
  };
  const got = await measured(take, (used) => used > enough, { times: 3 });
  assert.ok(got > enough, `got only ${got} cores of ${cores}, with others idle`);
}

test("C05 a busy loop with half a core gets half a core, with four processes too", needs, async () => {
  await using zygote = await TestZygote.open();
  const busy = "while :; do :; done";
  const four = `for i in 1 2 3; do (${busy}) & done; ${busy}`;
  for (const script of [busy, four]) await assertCores(zygote, script, 0.5);
  const { used } = await measure(zygote, four, 1.2);
  assert.ok(used < 1.32, `used ${used} cores of 1.2`);
});

test("four threads of one process share half a core", needs, async () => {
  await using zygote = await TestZygote.open();
  // sha256 of a large block runs without the interpreter's lock, so the threads are busy at once.
  const script = `exec python3 -c '
import hashlib, threading
block = bytes(1 << 24)
def work():
    while True: hashlib.sha256(block)
for i in range(3): threading.Thread(target=work).start()
work()'`;
  await assertCores(zygote, script, 0.5);
});

test(
  "the usage of a job is its own: processor time with all children, and the peak of memory",
  onRealMachines,
  async () => {
    await using zygote = await TestZygote.open();
    const script = `for i in 1 2; do python3 -c '
import time
block = bytearray(b"x" * (40 << 20))
end = time.process_time() + 0.5
while time.process_time() < end: pass' & done; wait`;
    const { record } = await zygote.run(script, { memoryBytes: 512 * mebibyte });
    assert.is(record.exitCode, 0);
    assert.ok(record.usage.cpuSeconds > 0.95 && record.usage.cpuSeconds < 3, `${record.usage.cpuSeconds} s`);
    assert.ok(record.usage.memoryPeakBytes > 80 * mebibyte, `${record.usage.memoryPeakBytes} bytes`);
    assert.equal([record.usage.memoryBytes, record.usage.pids], [0, 0]);
  },
);

test("scratch folders count as the job's memory and keep their own size", onRealMachines, async () => {
  const small = await runSandbox(["--tmpfs=/s:1M", "--", "sh", "-c", "head -c 2M /dev/zero > /s/x; wc -c < /s/x"]);
  assert.is(small.stdout, "1048576\n");
  assert.match(small.stderr, /No space left on device/);
  const large = await runSandbox(["--tmpfs=/s:5G", "--memory=24M", "--", "sh", "-c", "head -c 200M /dev/zero > /s/x"]);
  assert.is(large.code, 137);
  assert.match(large.stderr, /podium: OOM: /);
});

test("without limits asked for, the machine's memory and cores are there", onRealMachines, async () => {
  const { stdout } = await runScript(`nproc; python3 -c 'print(len(b"x" * (300 << 20)))'`);
  assert.equal(stdout.trim().split("\n"), [String(availableParallelism()), String(300 * mebibyte)]);
});

test("C02 swap does not let a job past its memory limit", requires("root", "libseccomp", "swap"), async () => {
  const usedKiB = () => {
    const rows = readFileSync("/proc/swaps", "utf8").trim().split("\n").slice(1);
    return rows.reduce((sum, row) => sum + Number(row.split(/\s+/)[3]), 0);
  };
  await using zygote = await TestZygote.open();
  const before = usedKiB();
  const { record } = await zygote.run("head -c 64M /dev/zero | tail -c 64M | wc -c", { memoryBytes: 32 * mebibyte });
  assert.is(record.cause, "OOM", record.message);
  assert.ok(usedKiB() < before + 8 * 1024, `${usedKiB() - before} KiB of swap were taken`);
});
