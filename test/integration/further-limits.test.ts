// Limits that are seldom asked for: weight, processors, the softer memory limit, operations, files of control groups.
import { existsSync, readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { startJob } from "../../src/client/start.ts";
import { StartRequest } from "../../src/gen/podium.ts";
import { groupFile } from "../support/groups.ts";
import { measured } from "../support/measured.ts";
import { runSandbox, TestZygote } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("further limits");
const needs = requires("root", "libseccomp");
const onRealMachines = requires("root", "libseccomp", "swift");
const onV2 = existsSync("/sys/fs/cgroup/cgroup.controllers");
const weightFile = onV2 ? "cpu.weight" : "cpu.shares";

test("weight, processors and files of the request stand in the job's group", needs, async () => {
  await using zygote = await TestZygote.open();
  const asked = { cpuWeight: 50, cpuset: "0" };
  const job = await zygote.start({
    argv: ["sleep", "3"],
    ...asked,
    pids: 50,
    files: [{ file: "pids.max", value: "33" }],
  });
  assert.is(groupFile(job.pid, "cpu", weightFile), onV2 ? "50" : "512");
  assert.is(groupFile(job.pid, "cpuset", "cpuset.cpus"), "0");
  assert.match(readFileSync(`/proc/${job.pid}/status`, "utf8"), /^Cpus_allowed_list:\t0$/m);
  assert.is(groupFile(job.pid, "pids", "pids.max"), "33", "the request's own file comes last");
  if (onV2) {
    const soft = await zygote.start({ argv: ["sleep", "3"], memoryHighBytes: 32 << 20 });
    assert.is(groupFile(soft.pid, "memory", "memory.high"), String(32 << 20));
    await soft.finished;
  }
  await job.finished;
});

test("operations per second hold for direct writes", needs, async () => {
  using folder = temporaryFolder();
  await using zygote = await TestZygote.open();
  const grants = [{ source: folder.path, target: "/data", writable: true }];
  const script = "dd if=/dev/zero of=/data/x bs=4k count=60 oflag=direct 2>&1";
  const take = async () => {
    const { stdout } = await zygote.run(script, { ioOperationsPerSecond: 20, grants });
    const took = Number(/copied, ([0-9.]+) s/.exec(stdout)?.[1]);
    assert.ok(took > 3 * 0.8, `60 writes took ${took} s: ${stdout}`);
    return took;
  };
  const seconds = await measured(take, (took) => took < 3 * 1.3); // a busy disk or processor takes longer
  assert.ok(seconds < 3 * 1.3, `60 writes took ${seconds} s`);
});

type Refused = readonly (readonly [args: readonly string[], why: RegExp])[];

async function assertRefused(refused: Refused): Promise<void> {
  for (const [args, why] of refused) {
    const { code, stderr, stdout } = await runSandbox([...args, "--", "echo", "started"]);
    assert.equal([code, stdout], [125, ""], args.join(" "));
    assert.match(stderr, why);
  }
}

test("what the kernel cannot do is refused with file, value and reason, before anything starts", onRealMachines, () =>
  assertRefused([
    [["--cgroup", "no.such=1"], /no\.such=1: the groups of jobs have no such file here: name one of the controllers/],
    [["--cgroup", `${weightFile}=many`], new RegExp(`${weightFile}=many: the kernel refuses it \\(EINVAL\\)`)],
    [["--cpuset-cpus", "0,900"], /limits\.cpuset: there is no processor 900 here: choose from 0/],
    ...(onV2 ? [] : [[["--memory-high", "32M"], /limits\.memoryHighBytes: cgroup v1 has no limit/] as const]),
  ]),
);

test("what no kernel is asked is refused in the same way", onRealMachines, () =>
  assertRefused([
    [["--cgroup", "cgroup.procs=1"], /cgroup\[0\]: cgroup\.procs=1: this file is podium's own affair\n {2}name a file/],
    [["--cgroup", "release_agent=/bin/sh"], /cgroup\[0\]: release_agent=\/bin\/sh: this file is podium's own/],
    [["--cgroup", "devices.allow=a"], /cgroup\[0\]: devices\.allow=a: this file is podium's own/],
    [["--cgroup", "pids.max"], /"pids\.max" is not FILE=VALUE/],
    [["--cpu-weight", "10001"], /"10001" is not a weight/],
    [["--cpuset-cpus", "two"], /limits\.cpuset: "two" is no list of processors/],
  ]),
);

test("over the network a listed file is set, any other refused", onRealMachines, async () => {
  await using server = await TestServer.start({
    config: { cgroupFiles: [weightFile, "pids.max"], maximum: { pids: 40 } },
  });
  using podium = server.connect("alice");
  const id = await startJob(
    podium,
    StartRequest.create({ argv: ["sleep", "100"], cgroup: [{ file: weightFile, value: "77" }] }),
  );
  const told = JSON.parse((await server.podium("alice", ["status", String(id), "-o", "json"])).stdout);
  assert.equal(told.limits.cgroup, [`${weightFile}=77`]);
  const pid = Number(readFileSync(`${server.data}/jobs/${id}/pid`, "utf8"));
  assert.is(groupFile(pid, "cpu", weightFile), "77");
  const start = (file: string) => server.podium("alice", ["start", "--cgroup", file, "--", "true"]);
  assert.match((await start("memory.swappiness=0")).stderr, /cgroup\[0\]: memory\.swappiness=0: .*"cgroupFiles"/);
  assert.match(
    (await start("pids.max=41")).stderr,
    /cgroup\[0\]: pids\.max=41 is above this server's bound; ask for at most 40/,
  );
  assert.match(
    (await start(`${weightFile}=x`)).stderr,
    new RegExp(`cgroup\\[0\\]: ${weightFile}=x: the kernel refuses it`),
  );
  const changed = await server.podium("alice", [
    "update",
    String(id),
    "--cgroup",
    `${weightFile}=88`,
    "--cpuset-cpus",
    "0",
  ]);
  assert.equal([changed.code, changed.stderr], [0, ""]);
  assert.is(groupFile(pid, "cpu", weightFile), "88");
  assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /^Cpus_allowed_list:\t0$/m);
});
