// Jobs against each other and against the host: ids, signals, objects of communication, what is left for the next.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { idsPerJob, usualIdRanges } from "../../sandbox/id-ranges.ts";
import { podiumScript, runSandbox, runScript, startProgram, startSandbox, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { Attacks, assertNoneWorked, assertResults, parseAttempts, profiles } from "./attacks.ts";

const test = suite("jobs apart");
const root = requires("root", "libseccomp");
const compiler = requires("root", "libseccomp", "gcc");

test("every job has host ids of its own, from 2^30 up, none of them anybody's", root, async () => {
  await using zygote = await TestZygote.open();
  const jobs = [];
  for (const uid of [0, 1000, 65535])
    jobs.push(await zygote.start({ argv: ["sleep", "1000"], user: { uid, gid: uid } }));
  const ids = jobs.map(
    ({ pid }) => /^Uid:\s+(\d+)\s+\1\s+\1\s+\1$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1],
  );
  const bases = ids.map((id, i) => Number(id) - ([0, 1000, 65535][i] ?? 0));
  assert.is(new Set(bases).size, 3);
  for (const base of bases) {
    assert.ok(base >= usualIdRanges.first && base < 2 ** 31, `${base}`);
    assert.is((base - usualIdRanges.first) % idsPerJob, 0);
  }
  for (const job of jobs) process.kill(job.initPid, "SIGKILL");
  await Promise.allSettled(jobs.map((job) => job.finished));
});

for (const seccomp of profiles) {
  test(`N04 N07 F11 objects of the host are out of a job's reach, seccomp ${seccomp}`, compiler, async () => {
    using attacks = new Attacks("ipc");
    const host = startProgram(attacks.path("ipc"), ["make"]);
    try {
      await host.sees("made all");
      const fromHost = await startProgram(attacks.path("ipc"), ["look"], { input: "" }).ended;
      assert.equal(
        new Set(parseAttempts(fromHost.stdout.toString()).values()),
        new Set(["ok"]),
        "the host itself sees them",
      );
      assertNoneWorked(await attacks.run(["ipc", "look"], ["--seccomp", seccomp]), 8);
    } finally {
      host.child.stdin?.end();
      await host.ended;
    }
  });

  test(
    `N04 N07 F11 objects of a job are out of reach for the host and other jobs, seccomp ${seccomp}`,
    compiler,
    async () => {
      using attacks = new Attacks("ipc");
      const one = startSandbox(["--seccomp", seccomp, ...attacks.options, "--", "/attacks/ipc", "make"]);
      try {
        await one.sees("made all");
        assertNoneWorked(await attacks.run(["ipc", "look"], ["--seccomp", seccomp]), 8);
        const fromHost = await startProgram(attacks.path("ipc"), ["look"], { input: "" }).ended;
        assertNoneWorked(parseAttempts(fromHost.stdout.toString()), 8);
      } finally {
        one.child.stdin?.end();
        await one.ended;
      }
    },
  );

  test(`N02 two jobs cannot name or signal each other, seccomp ${seccomp}`, compiler, async () => {
    using attacks = new Attacks("neighbour");
    await using zygote = await TestZygote.open();
    const victim = await zygote.start({ argv: ["sleep", "1000"] });
    const grants = [{ source: attacks.folder, target: "/attacks", writable: false }];
    for (const pid of [victim.pid, victim.initPid]) {
      const job = await zygote.run(["/attacks/neighbour", String(pid)], { grants, seccomp: { kind: seccomp } });
      const refused = (result: string) => ["ESRCH", "ENOENT", "EPERM"].includes(result);
      assert.ok([...parseAttempts(job.stdout).values()].every(refused), job.stdout);
    }
    assert.ok(existsSync(`/proc/${victim.pid}`));
    process.kill(victim.initPid, "SIGKILL");
    await victim.finished.catch(() => {});
  });
}

test("N07 no socket of the host is listed inside", root, async () => {
  assert.ok(readFileSync("/proc/net/unix", "utf8").trim().split("\n").length > 1);
  const ran = await runScript(
    "cat /proc/net/unix /proc/self/net/unix | grep -v ^Num; cat /proc/1/net/unix 2>/dev/null",
  );
  assert.is(ran.stdout, "");
});

test("K18 sockets of the host and podium's own cannot be found or reached", root, async () => {
  const folder = mkdtempSync(join(tmpdir(), "podium-socket-"));
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(folder, "docker.sock"), resolve));
  try {
    const usual =
      "/run/docker.sock /var/run/docker.sock /run/containerd/containerd.sock /run/podium /run/systemd /run/dbus";
    const script = `find / -xdev -type s 2>/dev/null; find /tmp /run /var /dev -type s; ls -d ${usual} ${folder} 2>/dev/null; ls -A /run`;
    assert.is((await runScript(script)).stdout, "");
  } finally {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("F11 what one job writes is gone for the next, and never was on the host", root, async () => {
  const places = "/tmp /var/tmp /dev/shm $HOME /dev/mqueue";
  const write = `for d in ${places}; do echo secret > $d/podium-left 2>/dev/null && echo wrote; done`;
  const first = await runScript(`${write}; mkdir /run/lock 2>/dev/null`);
  assert.is(first.stdout, "wrote\n".repeat(4));
  for (const folder of ["/tmp", "/var/tmp", "/dev/shm", "/root"]) {
    assert.not.ok(readdirSync(folder).includes("podium-left"), folder);
  }
  assert.is((await runScript(`find ${places} /run -mindepth 1; echo end`)).stdout, "end\n");
});

test(
  "K22 locks on shared read-only files: no write lock, no lease; flock and inotify are documented",
  compiler,
  async () => {
    using attacks = new Attacks("locks");
    const refused = { "read-lease": "EACCES", "write-lease": "EACCES", "posix-write-lock": "EBADF" };
    // The file belongs to the job's user inside: without the filter's rule the leases would be granted.
    assertResults(await attacks.run(["locks", "/attacks/locks"]), { ...refused, fanotify: "EPERM" });
    for (const file of ["/usr/bin/env", "/etc/ld.so.cache"]) {
      assertResults(await attacks.run(["locks", file], ["--seccomp", "unconfined"]), refused);
    }
  },
);

test("a session keyring of podium's caller does not come along", compiler, async () => {
  using attacks = new Attacks("keyring");
  const podium = ["sandbox", "--seccomp", "unconfined", ...attacks.options, "--", "/attacks/keyring", "look"];
  const give = attacks.path("keyring");
  const control = await startProgram(give, ["give", give, "look"], { input: "" }).ended;
  assertResults(parseAttempts(control.stdout.toString()), { search: "ok", read: "ok" });
  const ended = await startProgram(give, ["give", podiumScript, ...podium], { input: "" }).ended;
  assert.is(ended.code, 0, ended.stderr);
  assertResults(parseAttempts(ended.stdout.toString()), { search: "ENOKEY", request: "ENOKEY" });
  const closed = await runSandbox([...attacks.options, "--", "/attacks/keyring", "look"]);
  assertResults(parseAttempts(closed.stdout), { search: "EPERM", request: "EPERM", "search-user": "EPERM" });
});
