import { readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { runSandbox, runScript, startSandbox, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { Attacks, assertNoneWorked, profiles } from "./attacks.ts";

const test = suite("pid 1 and the pid namespace");
const root = requires("root", "libseccomp");
const compiler = requires("root", "libseccomp", "gcc");

for (const seccomp of profiles) {
  test(`N02 nothing can be done to init, seccomp ${seccomp}`, compiler, async () => {
    using attacks = new Attacks("init-attacks");
    assertNoneWorked(await attacks.run(["init-attacks"], ["--seccomp", seccomp]), 130);
    // Another user of the job is no nearer to it.
    assertNoneWorked(await attacks.run(["init-attacks"], ["--seccomp", seccomp, "--user", "1000"]), 130);
  });
}

test("N02 the command leads its session and group, below pid 1", root, async () => {
  const ran = await runScript(
    'read -r pid comm state ppid pgrp sid rest < /proc/self/stat; echo "$$ $PPID"; ps -o pid=,ppid=,sid=,pgid= $$',
  );
  assert.equal(ran.stdout.trim().split(/\s+/), ["2", "1", "2", "1", "2", "2"]);
});

test("N02 /proc is of the job's own pid namespace", root, async () => {
  const ran = await runScript("cd /proc; echo [0-9]*; readlink self; cat /proc/1/* 2>&1; ls -A /proc/1");
  const [pids, self, ...of1] = ran.stdout.trim().split("\n");
  assert.equal(pids, "1 2");
  assert.is(Number(self) > 2 && Number(self) < 20, true, self);
  assert.equal(
    of1.filter((line) => !line.includes("No such file")),
    [],
  );
});

test("N02 processes of the host cannot be named from inside", compiler, async () => {
  using attacks = new Attacks("neighbour");
  for (const pid of [process.pid, process.ppid]) {
    const attempts = await attacks.run(["neighbour", String(pid)], ["--seccomp", "unconfined"]);
    assert.equal([...attempts.values()], ["ESRCH", "ESRCH", "ESRCH", "ESRCH", "ESRCH", "ENOENT"]);
  }
});

test("N02 kill -1 from inside ends the job's processes and leaves init to tell of it", root, async () => {
  const ran = await runScript("sleep 1000 & kill -9 -1; wait; echo alive");
  assert.equal([ran.code, ran.stdout], [0, "alive\n"]);
});

test("N02 when init dies, everything of its job does", root, async () => {
  await using zygote = await TestZygote.open();
  const job = await zygote.start({ argv: ["sh", "-c", "setsid sleep 1000 & (sleep 1000 &); sleep 1000"] });
  process.kill(job.initPid, "SIGKILL");
  await job.finished.catch(() => {}); // a killed init leaves no record
  assert.throws(() => process.kill(job.pid, 0), /ESRCH/);
});

test("N02 a signal from outside the namespace comes from pid 0, one through init from pid 1", compiler, async () => {
  using attacks = new Attacks("signal-sender");
  await using zygote = await TestZygote.open();
  const grants = [{ source: attacks.folder, target: "/attacks", writable: false }];
  const job = await zygote.start({ argv: ["/attacks/signal-sender"], grants });
  await waiting(job.folder);
  process.kill(job.pid, "SIGUSR1");
  assert.match((await job.finished).stdout, /^sender 0$/m);

  const running = startSandbox([...attacks.options, "--", "/attacks/signal-sender"], { input: "" });
  await running.sees("waiting");
  running.child.kill("SIGUSR1");
  assert.match((await running.ended).stdout.toString(), /^sender 1$/m);
});

/** Until the program has said that it waits. */
async function waiting(folder: string): Promise<void> {
  while (!readFileSync(`${folder}/stdout`, "utf8").includes("waiting")) await sleep(5);
}

test("N09 the command has descriptors 0, 1 and 2, all of them pipes", root, async () => {
  const ran = await runScript("ls -l /proc/self/fd | sed -n 's/.* \\([0-9]* -> .*\\)/\\1/p'", []);
  const lines = ran.stdout
    .trim()
    .split("\n")
    .map((line) => line.replace(/\d+/g, "N"));
  // 3 is ls's own: the folder that it reads.
  assert.equal(lines, ["N -> pipe:[N]", "N -> pipe:[N]", "N -> pipe:[N]", "N -> /proc/N/fd"]);
});

test("N09 no descriptor of the set-up can be named as cwd or program", root, async () => {
  await using zygote = await TestZygote.open();
  for (let fd = 4; fd < 64; fd++) {
    const cwd = await zygote.run("pwd", { cwd: `/proc/self/fd/${fd}` });
    assert.equal([cwd.record.step, cwd.record.errno], ["cwd", "ENOENT"], `cwd ${fd}: ${cwd.record.message}`);
    const program = await zygote.run([`/proc/self/fd/${fd}`]);
    assert.equal(
      [program.record.step, program.record.errno],
      ["find", "ENOENT"],
      `program ${fd}: ${program.record.message}`,
    );
  }
});

test("N09 cwd and root links stay inside, and podium's own program cannot be opened for writing", root, async () => {
  const links = "readlink /proc/self/cwd /proc/self/root /proc/$$/root; ls /proc/self/root/ | tr '\\n' ' '";
  assert.match((await runScript(links)).stdout, /^\/\n\/\n\/\nbin dev etc home /);
  // A script can name the set-up's own program (CVE-2019-5736): it may run it, with the job's rights, and not change it.
  const script = "exec 3<>/proc/self/exe";
  assert.match((await runScript(script)).stderr, /Read-only file system|Permission denied/);
  const node = 'try { require("fs").openSync("/proc/self/exe", "r+") } catch (e) { console.log(e.code) }';
  const ran = await runSandbox(["--", "/proc/self/exe", "-e", node]);
  assert.match(ran.stdout, /^(EACCES|EROFS|EPERM|ETXTBSY)$/m);
});

test("N01 every namespace differs from the host's and from another job's", root, async () => {
  const kinds = ["pid", "mnt", "net", "uts", "ipc", "cgroup", "user"] as const;
  await using zygote = await TestZygote.open();
  const jobs = [await zygote.start({ argv: ["sleep", "1000"] }), await zygote.start({ argv: ["sleep", "1000"] })];
  for (const kind of kinds) {
    const inodes = ["self", ...jobs.map((job) => job.pid)].map((pid) => readlinkSync(`/proc/${pid}/ns/${kind}`));
    assert.is(new Set(inodes).size, 3, `${kind}: ${inodes}`);
  }
  for (const job of jobs) process.kill(job.initPid, "SIGKILL");
  await Promise.allSettled(jobs.map((job) => job.finished));
});
