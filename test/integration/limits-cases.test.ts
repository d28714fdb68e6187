// What limits have to count, outlive and stand on: other kinds of memory, groups inside groups, a server in a group of its own.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { tryToRemove } from "../../sandbox/cgroup/folder.ts";
import { v1Controllers } from "../../sandbox/cgroup/group.ts";
import { groupFile, groupOf } from "../support/groups.ts";
import { podiumScript, type StartedJob, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const test = suite("limits: what they count and stand on", { testSeconds: 300 });
const needs = requires("root", "libseccomp");
const mebibyte = 1 << 20;
const onV2 = existsSync("/sys/fs/cgroup/cgroup.controllers");

async function says(job: StartedJob, text: string): Promise<void> {
  while (!readFileSync(join(job.folder, "stdout"), "utf8").includes(text)) await sleep(20);
}

async function end(job: StartedJob): Promise<void> {
  const control = await job.control();
  control.stop({ signal: 9, graceMs: 0, by: "the test" });
  await job.finished;
  control.close();
}

test("C03 tmpfs, shared memory and page cache are charged to the job", needs, async () => {
  using folder = temporaryFolder();
  chmodSync(folder.path, 0o777);
  await using zygote = await TestZygote.open();
  const grants = [{ source: folder.path, target: "/data", writable: true }];
  const kinds: Record<string, string> = {
    tmpfs: "head -c 20M /dev/zero > /tmp/x",
    "/dev/shm": "head -c 20M /dev/zero > /dev/shm/x",
    "System V shared memory": `perl -e '$i = shmget(0, 20 << 20, 01600); shmwrite($i, "x" x (20 << 20), 0, 20 << 20) or die'`,
    "page cache": "head -c 20M /dev/zero > /data/x",
  };
  for (const [kind, script] of Object.entries(kinds)) {
    const argv = ["sh", "-c", `${script}; echo done; sleep 100; true`];
    const job = await zygote.start({ argv, memoryBytes: 256 * mebibyte, grants });
    await says(job, "done");
    const charged = Number(groupFile(job.pid, "memory", "memory.current", "memory.usage_in_bytes"));
    assert.ok(charged > 19.5 * mebibyte && charged < 40 * mebibyte, `${kind}: ${charged} bytes`);
    await end(job);
  }
});

test("C12 groups that were made inside a job's group go with it, and so does who lives in them", needs, async () => {
  await using zygote = await TestZygote.open();
  const job = await zygote.start({ argv: ["sh", "-c", "sleep 100 & echo $!; wait"] });
  await says(job, "\n");
  const children = readFileSync(`/proc/${job.pid}/task/${job.pid}/children`, "latin1").trim();
  const folders = [...new Set((onV2 ? ["memory"] : v1Controllers).map((name) => groupOf(job.pid, name)))];
  for (const folder of folders) {
    mkdirSync(`${folder}/inner/deeper`, { recursive: true });
    writeFileSync(`${folder}/inner/deeper/cgroup.procs`, children);
  }
  await end(job);
  for (const folder of folders) assert.is(existsSync(folder), false, folder);
  assert.is(existsSync(`/proc/${children}`), false);
});

test("a job cannot make itself immune to its own OOM", needs, async () => {
  await using zygote = await TestZygote.open();
  const script = "echo -1000 > /proc/self/oom_score_adj; cat /proc/self/oom_score_adj; exec tail /dev/zero";
  const { record, stdout } = await zygote.run(script, { memoryBytes: 32 * mebibyte, timeoutMs: 60_000 });
  assert.equal([record.cause, stdout], ["OOM", "0\n"]);
});

/** A group of the host for one more server, in each hierarchy; `using` removes it. */
function outerGroup(name: string) {
  const parents = onV2
    ? ["/sys/fs/cgroup"]
    : [...new Set(v1Controllers.map((controller) => groupOf(process.pid, controller)))];
  if (onV2) writeFileSync("/sys/fs/cgroup/cgroup.subtree_control", "+cpu +memory +pids +io");
  const folders = parents.map((parent) => join(parent, name));
  for (const folder of folders) mkdirSync(folder);
  return {
    enter: folders.map((folder) => `echo 0 > ${folder}/cgroup.procs`).join(" && "),
    async [Symbol.asyncDispose]() {
      // Who has ended leaves a group on the kernel's own time.
      await until(`the groups ${name} are empty and gone`, () => folders.every((folder) => tryToRemove(folder)));
    },
  };
}

const hog = `${podiumScript} sandbox --net none --memory=32M --pids=20 -- tail /dev/zero`;

function assertLimited({ status, stderr }: { status: number | null; stderr: string }): void {
  assert.equal([status, /OOM: out of memory \(limit 32M/.test(stderr)], [137, true], stderr);
}

test("C15 limits hold when podium is started in a group that is not the root", needs, async () => {
  await using outer = outerGroup("c15-group");
  assertLimited(spawnSync("sh", ["-c", `${outer.enter} && exec ${hog}`], { encoding: "utf8", timeout: 60_000 }));
});

test("C15 limits hold in a container, with pid, mount and cgroup namespaces of its own", needs, async () => {
  await using outer = outerGroup("c15-container");
  const mounts = onV2
    ? "mount -t cgroup2 cgroup2 /sys/fs/cgroup"
    : `mount -t tmpfs groups /sys/fs/cgroup && for name in ${v1Controllers.join(" ")}; do
         mkdir /sys/fs/cgroup/$name && mount -t cgroup -o $name $name /sys/fs/cgroup/$name; done`;
  const inside = `mount --make-rprivate / && umount -R /sys/fs/cgroup && ${mounts} && exec ${hog}`;
  // Its first process alone enters the group, as in a container: whoever waits for it stays outside.
  const script = `${outer.enter} && exec unshare -C sh -c '${inside}'`;
  const unshare = ["-m", "-p", "-f", "--mount-proc", "--kill-child", "sh", "-c", script];
  assertLimited(spawnSync("unshare", unshare, { encoding: "utf8", timeout: 60_000 }));
});
