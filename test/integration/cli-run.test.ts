// `podium run` and `podium start` against a real server: streams, exit codes, options, signals.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("podium run and start");
const root = requires("root", "libseccomp");

test("stdout and stderr go to podium's own, and the exit code is the job's", root, async () => {
  await using server = await TestServer.start();
  const ran = await server.podium("alice", ["run", "--", "sh", "-c", "echo out; echo err >&2; exit 42"]);
  assert.equal([ran.code, ran.stdout, ran.stderr], [42, "out\n", "err\n"]);
  const aborted = await server.podium("alice", ["run", "sh", "-c", "kill -ABRT $$"]);
  assert.equal([aborted.code, aborted.stderr], [134, "podium: job 2: SIGNALED: ended by SIGABRT\n"]);
  const oom = await server.podium("alice", ["run", "-m", "64M", "--", "tail", "/dev/zero"]);
  assert.equal([oom.code, oom.stderr], [137, "podium: job 3: OOM: out of memory (limit 64M, peak 64M)\n"]);
  const late = await server.podium("alice", ["run", "--timeout", "300ms", "--", "sleep", "60"]);
  assert.equal([late.code, late.stderr], [124, "podium: job 4: TIMEOUT: ran longer than its timeout of 300ms\n"]);
});

test(
  "L03 not found, a folder, not executable and a bad format are told apart, no job stays RUNNING",
  root,
  async () => {
    await using server = await TestServer.start();
    const make =
      "cd /tmp; printf x > plain; printf 'no format' > bad; chmod +x bad; exec 2>&1; ./plain; echo $?; ./bad; echo $?";
    assert.is((await server.podium("alice", ["run", "--", "sh", "-c", make])).code, 0);
    const cases = [
      { command: "no-such-program", code: 127, reason: /not found in the job's PATH/ },
      { command: "/no/such/program", code: 127, reason: /no such file|does not exist|ENOENT/i },
      { command: "/etc", code: 126, reason: /directory/ },
      { command: "/etc/passwd", code: 126, reason: /not executable|permission|EACCES/i },
    ];
    const reasons = new Set<string>();
    for (const { command, code, reason } of cases) {
      const ran = await server.podium("alice", ["run", command]);
      assert.equal([ran.code, ran.stdout], [code, ""], command);
      assert.match(ran.stderr, /^podium: job \d+: START_FAILED: [^\n]+\n$/);
      assert.match(ran.stderr, reason);
      reasons.add(ran.stderr.replace(/job \d+/, "").replace(command, ""));
      const started = await server.podium("alice", ["start", command]);
      assert.equal([started.code, started.stdout], [code, ""], command);
    }
    assert.is(reasons.size, cases.length);
    assert.is((await server.podium("alice", ["ps", "-o", "json"])).stdout, "[]\n");
  },
);

test("a tmpfs holds what was asked for, and not more", root, async () => {
  await using server = await TestServer.start();
  const script =
    "df -B1 --output=size /scratch | tail -1 | tr -d ' '; head -c 2M /dev/zero > /scratch/x; stat -c %a /scratch";
  const ran = await server.podium("alice", ["run", "--tmpfs", "/scratch:1M", "--", "sh", "-c", script]);
  assert.equal([ran.code, ran.stdout], [0, "1048576\n1777\n"]);
  assert.match(ran.stderr, /No space left on device/);
});

test("all bytes arrive through a slow pipe, and -i passes all of stdin", root, async () => {
  await using server = await TestServer.start();
  const input = Buffer.alloc(8 << 20, "0123456789\0\xff\r\n", "latin1");
  const { code, stdout } = await server.cli("alice", ["run", "-i", "--", "cat"], { input }).ended;
  assert.is(code, 0);
  assert.ok(stdout.equals(input));
  const few = await server.podium("alice", ["run", "-i", "--", "head", "-c", "3"], { input });
  assert.equal([few.code, few.stdout.length, few.stderr], [0, 3, ""]);
  const none = await server.podium("alice", ["run", "--", "wc", "-c"], { input });
  assert.is(none.stdout, "0\n");
  const folder = await server.podium("alice", ["run", "-i", "true"], { input: "nobody reads it" });
  assert.equal([folder.code, folder.stderr], [0, ""]);
});

test("stdin reaches the job while it runs, and its end only when it comes", root, async () => {
  await using server = await TestServer.start();
  const cat = server.cli("alice", ["run", "-i", "--", "cat"]);
  cat.child.stdin?.write("first\n");
  await cat.sees("first\n");
  cat.child.stdin?.end("second\n");
  const { code, stdout } = await cat.ended;
  assert.equal([code, stdout.toString()], [0, "first\nsecond\n"]);
});

test("every option of the sandbox reaches the job", root, async () => {
  using shared = temporaryFolder();
  writeFileSync(join(shared.path, "file"), "granted\n");
  const folders = [{ path: shared.path, users: ["*"], write: true }];
  await using server = await TestServer.start({ config: { folders } });
  const limits = ["--cpus", "0.1", "-m", "64M", "--io", "1M", "--pids", "20", "--timeout", "1m"];
  const place = [
    "--hostname",
    "box",
    "-w",
    "/tmp",
    "-u",
    "7:8",
    "-e",
    "A=b c",
    "--name",
    "all",
    "--seccomp",
    "default",
  ];
  const script = "hostname; pwd; id -u; id -g; echo $A; cat /in/file";
  const options = [...limits, ...place, "-v", `${shared.path}::/in:ro`, "--net", "none"];
  const ran = await server.podium("alice", ["run", ...options, "--", "sh", "-c", script]);
  assert.equal([ran.stdout, ran.stderr, ran.code], ["box\n/tmp\n7\n8\nb c\ngranted\n", "", 0]);
  const { limits: told } = JSON.parse((await server.podium("alice", ["status", "all", "-o", "json"])).stdout);
  const asked = { cpus: 0.1, memoryBytes: 64 << 20, ioBytesPerSecond: 1 << 20, pids: 20, timeoutSeconds: 60 };
  assert.equal(Object.entries(told).slice(0, 5), Object.entries(asked));
});

test("--rootfs and --seccomp FILE: the folder is the server's, the profile this machine's", root, async () => {
  using folder = temporaryFolder();
  const rootfs = join(folder.path, "root");
  for (const name of ["usr", "bin", "lib", "lib64", "etc"]) mkdirSync(join(rootfs, name), { recursive: true });
  writeFileSync(join(rootfs, "marker"), "");
  await using server = await TestServer.start({ config: { folders: [{ path: folder.path, users: ["alice"] }] } });
  const missing = await server.podium("alice", ["run", "--rootfs", rootfs, "--", "/bin/sh"]);
  assert.is(missing.code, 127);
  const profile = join(folder.path, "profile.json");
  const syscalls = [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 1 }];
  writeFileSync(profile, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls }));
  const ran = await server.podium("alice", ["run", "--seccomp", profile, "--", "mkdir", "/tmp/x"]);
  assert.is(ran.code, 1);
  assert.match(ran.stderr, "Operation not permitted");
});

test("-d prints the id and returns, --rm leaves nothing, start --shell runs a line", root, async () => {
  await using server = await TestServer.start();
  const detached = await server.podium("alice", ["run", "-d", "--", "sleep", "100"]);
  assert.equal([detached.stdout, detached.stderr, detached.code], ["1\n", "", 0]);
  const removed = await server.podium("alice", ["run", "--rm", "--", "sh", "-c", "exit 9"]);
  assert.is(removed.code, 9);
  const failed = await server.podium("alice", ["run", "--rm", "no-such-program"]);
  assert.is(failed.code, 127);
  const line = await server.podium("alice", ["start", "--shell", "echo $((6 * 7)) | cat"]);
  assert.is(line.stdout, "4\n");
  assert.is((await server.podium("alice", ["logs", "-f", "4"])).stdout, "42\n");
  const ids = JSON.parse((await server.podium("alice", ["ps", "-a", "-o", "json"])).stdout).map(
    (job: { id: number }) => job.id,
  );
  assert.equal(ids, [1, 4]);
});

const loop = "echo ready; while :; do sleep 0.05; done";

test("Ctrl-C stops the job, and podium ends with the job's code", root, async () => {
  await using server = await TestServer.start();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const trapping = server.cli("alice", ["run", "--", "sh", "-c", `trap 'echo bye; exit 5' TERM; ${loop}`]);
    await trapping.sees("ready\n");
    trapping.child.kill(signal);
    const { code, stdout, stderr } = await trapping.ended;
    assert.equal([code, stdout.toString()], [5, "ready\nbye\n"]);
    assert.match(stderr, /^podium: job \d+: STOPPED: stopped by alice\n$/);
  }
  const plain = server.cli("alice", ["run", "--", "sh", "-c", "echo ready; exec sleep 100"]);
  await plain.sees("ready\n");
  plain.child.kill("SIGINT");
  assert.is((await plain.ended).code, 143);
});

test("a second Ctrl-C kills a job that ignores the first", root, async () => {
  await using server = await TestServer.start();
  const stubborn = server.cli("alice", ["run", "--", "sh", "-c", `trap 'echo asked' TERM; ${loop}`]);
  await stubborn.sees("ready\n");
  stubborn.child.kill("SIGINT");
  await stubborn.sees("asked\n"); // two that wait to be taken would be one
  assert.is(stubborn.child.exitCode, null);
  const start = performance.now();
  stubborn.child.kill("SIGINT");
  assert.is((await stubborn.ended).code, 137);
  assert.ok(performance.now() - start < 8_000, "the grace period of the first one was waited for");
});

test("when nobody reads the output any more the job is ended, without a word", root, async () => {
  await using server = await TestServer.start();
  const yes = server.cli("alice", ["run", "--", "yes"]);
  await yes.sees("y\n");
  yes.child.stdout?.destroy();
  const { code, stderr } = await yes.ended;
  assert.equal([code, stderr], [143, ""]);
  assert.is((await server.podium("alice", ["ps", "-o", "json"])).stdout, "[]\n");
});

test("L09 a client killed while it streams leaves the job running and its log complete", root, async () => {
  await using server = await TestServer.start();
  const script =
    "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.1; done; until [ -e /tmp/go ]; do sleep 0.1; done; echo 9";
  const client = server.cli("alice", ["run", "--", "sh", "-c", script]);
  await client.sees("2\n");
  client.child.kill("SIGKILL");
  assert.is((await client.ended).signal, "SIGKILL");
  assert.match((await server.podium("alice", ["ps"])).stdout, "RUNNING");
  assert.is((await server.podium("alice", ["exec", "1", "touch", "/tmp/go"])).code, 0);
  assert.is((await server.podium("alice", ["logs", "-f", "1"])).stdout, "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
});
