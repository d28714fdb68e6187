// What limits have to count, outlive and stand on: other kinds of memory, groups inside groups, a server in a group of its own.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { tryToRemove } from "../../sandbox/cgroup/folder.ts";
import { v1Controllers } from "../../sandbox/cgroup/group.ts";
import { parseMountInfo } from "../../sandbox/cgroup/mountinfo.ts";
import type { JobFailure } from "../../src/client/call-failure.ts";
import { waitForJob } from "../../src/client/jobs.ts";
import { startJob } from "../../src/client/start.ts";
import { FailureCode, StartRequest } from "../../src/gen/podium.ts";
import { groupFile, groupOf } from "../support/groups.ts";
import { podiumScript, type StartedJob, TestZygote } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { stretched } from "../support/slowness.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const test = suite("limits: what they count and stand on", { testSeconds: 300 });
const needs = requires("root", "libseccomp");
const onRealMachines = requires("root", "libseccomp", "swift");
const mebibyte = 1 << 20;
const onV2 = existsSync("/sys/fs/cgroup/cgroup.controllers");

async function says(job: StartedJob, text: string): Promise<void> {
  while (!readFileSync(join(job.folder, "stdout"), "utf8").includes(text)) await sleep(20);
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
    await job.kill();
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
  await job.kill();
  for (const folder of folders) assert.is(existsSync(folder), false, folder);
  assert.is(existsSync(`/proc/${children}`), false);
});

test("a job cannot make itself immune to its own OOM", needs, async () => {
  await using zygote = await TestZygote.open();
  const script = "echo -1000 > /proc/self/oom_score_adj; cat /proc/self/oom_score_adj; exec tail /dev/zero";
  const { record, stdout } = await zygote.run(script, { memoryBytes: 32 * mebibyte, timeoutMs: 60_000 });
  assert.equal([record.cause, stdout], ["OOM", "0\n"]);
});

test("C13 the oom_score_adj of podium is not inherited and cannot be lowered", needs, async () => {
  const own = "/proc/self/oom_score_adj";
  const before = readFileSync(own, "utf8");
  writeFileSync(own, "300"); // what it starts has it too
  try {
    await using zygote = await TestZygote.open();
    assert.is(readFileSync(`/proc/${zygote.client.pid}/oom_score_adj`, "utf8"), "300\n");
    const { stdout } = await zygote.run(`cat ${own}; echo -1 > ${own}; cat ${own}`);
    assert.is(stdout, "0\n0\n");
    const job = await zygote.start({ argv: ["sleep", "60"] });
    assert.is(readFileSync(`/proc/${job.initPid}/oom_score_adj`, "utf8"), "300\n");
    assert.is(readFileSync(`/proc/${job.pid}/oom_score_adj`, "utf8"), "0\n");
    await job.kill();
  } finally {
    writeFileSync(own, before);
  }
});

/** A group of the host for one more server, in each hierarchy; `using` removes it. */
function outerGroup(name: string, controllers = "+cpu +memory +pids +io") {
  const parents = onV2
    ? ["/sys/fs/cgroup"]
    : [...new Set(v1Controllers.map((controller) => groupOf(process.pid, controller)))];
  if (onV2) writeFileSync("/sys/fs/cgroup/cgroup.subtree_control", controllers);
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

/** The same with a server in it whose host has no io controller. */
function hostWithoutIo() {
  if (!onV2)
    return { prefix: ["unshare", "-m", "sh", "-c", `umount ${ioHierarchy()} && exec "$@"`, "sh"], outer: null };
  const outer = outerGroup("no-io", "+cpu +memory +pids -io");
  return { prefix: ["sh", "-c", `${outer.enter} && exec "$@"`, "sh"], outer };
}

function ioHierarchy(): string {
  const mounts = parseMountInfo(readFileSync("/proc/self/mountinfo", "utf8"));
  return mounts.find(({ type, superOptions }) => type === "cgroup" && superOptions.includes("blkio"))?.mountPoint ?? "";
}

test(
  "a limit that this host cannot enforce is refused with doctor's words, and nothing starts",
  onRealMachines,
  async () => {
    const { prefix, outer } = hostWithoutIo();
    try {
      await using server = await TestServer.start({ prefix });
      using podium = server.connect("alice");
      const start = (limits: Partial<StartRequest>) =>
        startJob(podium, StartRequest.create({ argv: ["true"], ...limits }));
      const refusal = await start({ io: 1n << 20n }).then(
        () => null,
        (error: JobFailure) => error,
      );
      assert.is(refusal?.code, FailureCode.UNENFORCEABLE, refusal?.message ?? "it was started");
      assert.equal(readdirSync(join(server.data, "jobs")), []);
      const doctor = ["doctor", "--data", server.data, "-o", "json"];
      const { stdout } = spawnSync(podiumScript, doctor, { encoding: "utf8", timeout: stretched(50_000) });
      const checks = JSON.parse(stdout).checks as { name: string; ok: boolean; detail: string; mend: string }[];
      const told = checks.find(({ name }) => name === "limit io");
      assert.equal([told?.ok, refusal?.message], [false, `io: ${told?.detail}: ${told?.mend}`]);
      assert.is((await waitForJob(podium, await start({ mem: 64n << 20n }))).outcome?.cause, "EXITED");
    } finally {
      await outer?.[Symbol.asyncDispose]();
    }
  },
);

const hog = `${podiumScript} sandbox --net none --memory=32M --pids=20 -- tail /dev/zero`;

function assertLimited({ status, stderr }: { status: number | null; stderr: string }): void {
  assert.equal([status, /OOM: out of memory \(limit 32M/.test(stderr)], [137, true], stderr);
}

test("C15 limits hold when podium is started in a group that is not the root", needs, async () => {
  await using outer = outerGroup("c15-group");
  assertLimited(
    spawnSync("sh", ["-c", `${outer.enter} && exec ${hog}`], { encoding: "utf8", timeout: stretched(60_000) }),
  );
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
  assertLimited(spawnSync("unshare", unshare, { encoding: "utf8", timeout: stretched(60_000) }));
});
