// What only cgroup v2 has; runs in the virtual machine (scripts/vm.mjs), beside the files that run on either.
import { existsSync, readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { TestZygote } from "../support/sandbox.ts";
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
