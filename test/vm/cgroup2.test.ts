// Control groups v2 on a kernel where all controllers are there; runs in the virtual machine (scripts/vm.mjs).
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import * as assert from "uvu/assert";
import { measured } from "../support/measured.ts";
import { runScript, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("control groups v2", { testSeconds: 120, timeoutSeconds: 400 });
const needs = requires("root", "cgroup2");
const mebibyte = 1024 * 1024;

test("the groups are v2, below the test's own group, and gone at the end", needs, async () => {
  let root = "";
  {
    await using zygote = await TestZygote.open();
    assert.is(zygote.cgroup.version, 2);
    if (zygote.cgroup.version !== 2) return;
    root = zygote.cgroup.root;
    const job = await zygote.start({ argv: ["sleep", "1000"], memoryBytes: 32 * mebibyte, pids: 7, cpus: 0.5 });
    const folder = `${root}/jobs/${job.job}`;
    const value = (file: string) => readFileSync(`${folder}/${file}`, "utf8").trim();
    assert.is(value("memory.max"), String(32 * mebibyte));
    assert.is(value("memory.swap.max"), "0");
    assert.is(value("memory.oom.group"), "1");
    assert.is(value("pids.max"), "7");
    assert.is(value("cpu.max"), "50000 100000");
    process.kill(job.pid, "SIGKILL");
    await job.finished;
    assert.is(existsSync(folder), false);
  }
  assert.is(existsSync(root), false);
});

test("half a core is half of the wall time, with four busy loops too", needs, async () => {
  await using zygote = await TestZygote.open();
  for (const loops of [1, 4]) {
    const script = `${"while :; do :; done & ".repeat(loops)} sleep 5; kill $(jobs -p)`;
    const take = async () => {
      const { record } = await zygote.run(script, { cpus: 0.5 });
      const used = record.usage.cpuSeconds / ((record.finishedAtMs - record.startedAtMs) / 1000);
      assert.ok(used < 0.56, `${loops} loops used ${used.toFixed(3)} cores`);
      return used;
    };
    // The machine itself is somebody's process outside: it gets less when others are busy there.
    const share = await measured(take, (used) => used > 0.4);
    assert.ok(share > 0.4, `${loops} loops used ${share.toFixed(3)} cores`);
  }
});

test("a memory hog ends with all of its job, cause OOM, while a neighbour lives", needs, async () => {
  await using zygote = await TestZygote.open();
  const neighbour = await zygote.start({ argv: ["sh", "-c", "sleep 4; echo fine"], memoryBytes: 32 * mebibyte });
  const { record, stdout } = await zygote.run("tail /dev/zero & wait; echo survived; sleep 60", {
    memoryBytes: 32 * mebibyte,
  });
  assert.equal([record.cause, record.signal, stdout], ["OOM", "SIGKILL", ""]);
  assert.is((await neighbour.finished).stdout, "fine\n");
});

test("C02 swap does not let a job past its memory limit", needs, async () => {
  const file = "/var/tmp/swap";
  const on = `dd if=/dev/zero of=${file} bs=1M count=96 status=none && chmod 600 ${file} && mkswap -q ${file} && swapon ${file}`;
  assert.is(spawnSync("sh", ["-c", on], { stdio: "inherit" }).status, 0);
  try {
    await using zygote = await TestZygote.open();
    const { record } = await zygote.run("head -c 64M /dev/zero | tail -c 64M | wc -c", { memoryBytes: 32 * mebibyte });
    assert.is(record.cause, "OOM", record.message);
    const used = Number((readFileSync("/proc/swaps", "utf8").split("\n")[1] ?? "").split(/\s+/)[3]);
    assert.ok(used < 8 * 1024, `${used} KiB of swap are in use`);
  } finally {
    spawnSync("swapoff", [file]);
    rmSync(file);
  }
});

test("a fork bomb stays inside its pids limit", needs, async () => {
  await using zygote = await TestZygote.open();
  const bomb = await zygote.run("f() { f | f & }; sleep 2 & last=$!; f; wait $last; echo over", {
    pids: 40,
    timeoutMs: 60_000,
  });
  assert.equal([bomb.record.cause, bomb.stdout], ["EXITED", "over\n"]);
});

test("podium sandbox runs a command as anywhere", needs, async () => {
  const ran = await runScript("cat /proc/self/cgroup; exit 7", ["--memory=64M", "--cpus=0.5"]);
  assert.equal([ran.code, ran.stdout, ran.stderr], [7, "0::/\n", ""]);
});
