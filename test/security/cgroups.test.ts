// A job and the control groups: it sees none, can mount none, and cannot leave its own.
import * as assert from "uvu/assert";
import { runScript, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("jobs and control groups");
const needs = requires("root", "libseccomp");

test("C11 a job cannot see, mount or leave its control group", needs, async () => {
  await using zygote = await TestZygote.open();
  const script = `
    cat /proc/self/cgroup | grep -vc ':/$'
    find / -xdev -name cgroup.procs -o -xdev -name release_agent -o -xdev -name tasks -path '*cgroup*' 2>/dev/null | wc -l
    mkdir -p /tmp/m
    mount -t cgroup2 none /tmp/m; mount -t cgroup -o pids none /tmp/m; mount -t cgroup -o memory none /tmp/m
    unshare -C true; unshare -Ur true
    ls -A /tmp/m | wc -l
    grep -c cgroup /proc/self/mounts`;
  const { stdout, stderr } = await zygote.run(script);
  assert.is(stdout, "0\n0\n0\n0\n", stderr);
  assert.ok(stderr.split("\n").filter((line) => /permitted|denied|superuser/.test(line)).length >= 5, stderr);
});

test("C11 control groups cannot be shown to a job, not even by an administrator", needs, async () => {
  const { code, stderr } = await runScript("true", ["--net=none", "--dir=/sys/fs/cgroup::/groups:rw"]);
  assert.is(code, 125);
  assert.match(stderr, /START_FAILED: grants: the file system of \/sys\/fs\/cgroup cannot be id-mapped/);
});
