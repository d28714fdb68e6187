// What a command finds itself with: capabilities, ids, environment, limits, signals.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { podiumScript, runSandbox, runScript, startProgram } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { Attacks, assertNoneWorked, assertResults, profiles } from "./attacks.ts";

const test = suite("the command's process");
const root = requires("root", "libseccomp");
const compiler = requires("root", "libseccomp", "gcc");
const none = "0".repeat(16);

function statusOf(text: string): Record<string, string> {
  return Object.fromEntries(
    text
      .trim()
      .split("\n")
      .map((line) => line.split(/:\s*/) as [string, string]),
  );
}

for (const user of ["0", "1000:2000", "65534"]) {
  test(`K08 all five capability sets are empty for user ${user}`, root, async () => {
    const status = statusOf((await runScript("cat /proc/self/status", ["--user", user])).stdout);
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) assert.is(status[set], none, set);
    const [uid = "", gid = uid] = user.split(":");
    assert.equal(status.Uid?.split("\t"), [uid, uid, uid, uid]);
    assert.equal(status.Gid?.split("\t"), [gid, gid, gid, gid]);
    assert.is(status.Groups?.trim(), "");
  });
}

for (const seccomp of profiles) {
  test(`K10 what needs a dropped capability is refused, seccomp ${seccomp}`, compiler, async () => {
    using attacks = new Attacks("capability-attacks");
    for (const user of ["0", "1000"]) {
      const attempts = await attacks.run(["capability-attacks"], ["--seccomp", seccomp, "--user", user]);
      assertNoneWorked(attempts, 38);
      assertResults(attempts, {
        setuid: "EPERM",
        mknod: "EPERM",
        chroot: "EPERM",
        nice: "EACCES",
        "oom-score": "EACCES",
      });
    }
  });
}

test("K10 ports below 1024 can be bound without a capability, in the job's own network", root, async () => {
  const script =
    'use IO::Socket::INET; print IO::Socket::INET->new(Listen => 1, LocalPort => 80) ? "bound" : "refused $!"';
  assert.is((await runSandbox(["--", "perl", "-e", script])).stdout, "bound");
});

test("K09 the checks of am-i-isolated find nothing", root, async () => {
  const script =
    "cat /proc/self/status; echo sysrq: $(test -w /proc/sysrq-trigger && echo writable); echo uid_map: $(cat /proc/self/uid_map)";
  const status = statusOf((await runScript(script)).stdout);
  assert.equal([status.Seccomp, status.NoNewPrivs, status.CapEff, status.sysrq], ["2", "1", none, ""]);
  assert.match(status.uid_map ?? "", /^0 1\d{9} 65536$/);
  const found =
    "ls -d /.dockerenv /sys /var/run/secrets /boot /proc/kcore /etc/shadow /root/.ssh 2>/dev/null; dmesg 2>/dev/null; lsblk 2>/dev/null";
  assert.is((await runScript(found)).stdout, "");
});

test("F15 the environment is the job's own, whatever podium's is", root, async () => {
  const env = {
    NODE_OPTIONS: "--no-warnings",
    NODE_SECRET: "x",
    AWS_SECRET_ACCESS_KEY: "x",
    LD_LIBRARY_PATH: "/x",
    TERM: "vt100",
  };
  const ended = await startProgram(podiumScript, ["sandbox", "--", "env"], { env, input: "" }).ended;
  const names = ended.stdout
    .toString()
    .trim()
    .split("\n")
    .map((line) => line.split("=")[0]);
  assert.equal(names.sort(), ["HOME", "LANG", "PATH"]);
});

test("F15 duplicates: the last one counts; newlines, equals signs and empty values are kept", root, async () => {
  const options = ["A=1", "A=2", "B=x\ny=z", "C=", "HOME=/over"].flatMap((setting) => ["--env", setting]);
  const ran = await runSandbox([...options, "--", "env", "-0"]);
  const all = ran.stdout.split("\0").filter((line) => line !== "" && !/^(PATH|LANG)=/.test(line));
  assert.equal(all.sort(), ["A=2", "B=x\ny=z", "C=", "HOME=/over"]);
});

test("F15 HOME comes from the passwd of the root, and a hostile one is not believed", root, async () => {
  assert.is(
    (await runScript("echo $HOME; cd && touch x && pwd", ["--user", "1000"])).stdout,
    "/home/user\n/home/user\n",
  );
  const folder = mkdtempSync(join(tmpdir(), "podium-passwd-"));
  try {
    mkdirSync(join(folder, "etc"));
    const env = async (passwd: string) => {
      writeFileSync(join(folder, "etc/passwd"), passwd);
      const options = ["--rootfs", folder, "--dir", "/usr", "--dir", "/lib64::/lib64", "--dir", "/lib::/lib"];
      return (await runSandbox([...options, "--", "/usr/bin/env"])).stdout;
    };
    assert.match(await env("root:x:0:0::/srv/home:/bin/sh\n"), /^HOME=\/srv\/home$/m);
    for (const hostile of ["root:x:0:0::relative:/\n", "", "root:x:0:0\n", "x".repeat(3 << 20)]) {
      assert.match(await env(hostile), /^HOME=\/$/m);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("signals are at their defaults and none is blocked; mask, limits and scores are the usual", root, async () => {
  const status = statusOf(
    (await runScript("cat /proc/self/status; echo Score: $(cat /proc/self/oom_score_adj)")).stdout,
  );
  for (const set of ["SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"]) assert.is(status[set], none, set);
  assert.equal([status.Umask, status.TracerPid, status.Threads, status.Score], ["0022", "0", "1", "0"]);
  const own = await runScript(
    "cat /proc/self/timerslack_ns; cat /proc/self/personality; ulimit -n; nice; cat /proc/self/limits",
  );
  const [slack, personality, files, nice, ...limits] = own.stdout.trim().split("\n");
  assert.equal([slack, personality, files, nice], ["50000", "00000000", "1024", "0"]);
  const limit = (name: string) =>
    limits
      .find((line) => line.startsWith(name))
      ?.slice(name.length)
      .trim()
      .split(/\s+/)
      .slice(0, 2);
  assert.equal(limit("Max core file size"), ["1", "1"]);
  assert.equal(limit("Max nice priority"), ["0", "0"]);
  assert.equal(limit("Max realtime priority"), ["0", "0"]);
});

test("priorities and OOM scores of podium's caller do not come along", root, async () => {
  const podium = [
    podiumScript,
    "sandbox",
    "--",
    "sh",
    "-c",
    "nice; chrt -p $$; ionice -p $$; cat /proc/self/oom_score_adj",
  ];
  const callers = [
    ["nice", "-n", "-5"],
    ["chrt", "-b", "0"],
    ["ionice", "-c", "1"],
    ["choom", "-n", "500", "--"],
  ];
  for (const [program = "", ...args] of callers) {
    const ended = await startProgram(program, [...args, ...podium], { input: "" }).ended;
    const [nice, policy, , io, score] = ended.stdout.toString().trim().split("\n");
    assert.equal([nice, /\S+$/.exec(policy ?? "")?.[0], io, score], ["0", "SCHED_OTHER", "none: prio 0", "0"], program);
  }
});
