// From the start of a command to its end: exit codes, what it is started with, and what `ps` shows.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { runSandbox, runScript, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("podium sandbox: lifecycle");
const needs = requires("root", "libseccomp");

test("L01 exit codes 0, 1 and 42 arrive as they are", needs, async () => {
  await using zygote = await TestZygote.open();
  for (const code of [0, 1, 42, 255]) {
    const { record } = await zygote.run(`exit ${code}`);
    assert.equal([record.cause, record.exitCode, record.signal], ["EXITED", code, null]);
  }
  assert.is((await runSandbox(["true"])).code, 0);
  assert.is((await runSandbox(["false"])).code, 1);
  assert.is((await runSandbox(["--", "sh", "-c", "exit 42"])).code, 42);
});

test("L02 a command killed by a signal reports the signal and ends 128+N", needs, async () => {
  await using zygote = await TestZygote.open();
  const signals: [number, string][] = [
    [6, "SIGABRT"],
    [9, "SIGKILL"],
    [11, "SIGSEGV"],
    [15, "SIGTERM"],
    [29, "SIGIO"],
    [34, "SIGRTMIN"],
    [36, "SIGRTMIN+2"],
  ];
  for (const [number, name] of signals) {
    const { record } = await zygote.run(["bash", "-c", `kill -${number} $$`]);
    assert.equal([record.cause, record.exitCode, record.signal], ["SIGNALED", null, name]);
  }
  const aborted = await runScript("kill -ABRT $$");
  assert.equal([aborted.code, aborted.stderr], [134, "podium: SIGNALED: ended by SIGABRT\n"]);
  assert.is((await runSandbox(["--", "bash", "-c", "kill -34 $$"])).code, 162);
});

test(
  "L03 not found, a folder, not executable and a bad format are told apart, and nothing goes on",
  needs,
  async () => {
    using folder = temporaryFolder();
    const files = { plain: "text\n", "no-line": "echo not a program\n", "bad-line": "#!/nonexistent\n" };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text);
    chmodSync(folder.path, 0o755);
    for (const name of ["no-line", "bad-line"]) chmodSync(join(folder.path, name), 0o755);
    const cases: [string, number, RegExp][] = [
      ["no-such-command", 127, /no-such-command: not found in the job's PATH \(\/usr\/local\/sbin:/],
      ["/usr/no-such", 127, /\/usr\/no-such: no such file in the job's root/],
      ["/etc/passwd/x", 127, /\/etc\/passwd\/x: no such file/],
      ["a".repeat(3000), 127, /ENAMETOOLONG/],
      ["/usr", 126, /\/usr: is a directory/],
      ["/g/plain", 126, /\/g\/plain: is not executable/],
      ["/dev/null", 126, /\/dev\/null: is not a regular file/],
      ["/g/no-line", 126, /\/g\/no-line: is neither a program of this machine nor a script with a #! line/],
      ["/g/bad-line", 126, /\/g\/bad-line: its interpreter .* is not in the job's root/],
    ];
    for (const [command, code, message] of cases) {
      const ran = await runSandbox(["-v", `${folder.path}::/g`, "--", command]);
      assert.is(ran.code, code, `${command.slice(0, 40)}: ${ran.stderr}`);
      assert.match(ran.stderr, message);
      assert.match(ran.stderr, /^podium: START_FAILED: [^\n]+\n$/);
      assert.is(ran.stdout, "");
    }
  },
);

test("a failed start of any length is one sentence and leaves no process of the job", needs, async () => {
  await using zygote = await TestZygote.open();
  for (const request of [{ argv: [`/${"n".repeat(100_000)}`] }, { argv: ["true"], cwd: `/${"w".repeat(100_000)}` }]) {
    const { record } = await zygote.run(request.argv, request);
    assert.is(record.cause, "START_FAILED");
    assert.is(record.errno, "ENAMETOOLONG");
    assert.ok(record.message.length < 1100);
  }
  assert.is((await zygote.run("echo still there")).stdout, "still there\n");
});

test("L15 ps inside shows the command and its children, and nothing of the host or of podium", needs, async () => {
  const { stdout } = await runScript("sleep 5 & sleep 1; ps -e -o args=; ls /proc | grep -c '^[0-9]'");
  const lines = stdout.trim().split("\n");
  assert.is(lines[0], "sh -c sleep 5 & sleep 1; ps -e -o args=; ls /proc | grep -c '^[0-9]'");
  assert.equal(lines.slice(1, 3).sort(), ["ps -e -o args=", "sleep 5"]);
  assert.not.match(stdout, /podium|node|zygote|init/);
  const inside = await runScript("cat /proc/1/cmdline /proc/1/environ /proc/1/comm /proc/1/mountinfo; ls /proc/1");
  assert.is(inside.stdout, "");
  const own = await runScript("cat /proc/self/cmdline /proc/self/environ /proc/self/mountinfo /proc/mounts");
  assert.not.match(own.stdout, /podium|\/work\/|local-/);
});

test("L16 orphans and zombies are reaped by pid 1", needs, async () => {
  const script = `
    for i in 1 2 3 4 5; do (sleep 0.1 &); done
    (setsid sh -c '(exit 3) & exit 4' &)
    look() { ps -e -o stat= -o ppid= -o args=; }
    for i in $(seq 100); do sleep 0.3; look | grep -qE '^Z|sleep 0[.]1$' || break; done
    look`;
  const { stdout } = await runScript(script);
  const lines = stdout.trim().split("\n");
  assert.is(lines.filter((line) => line.startsWith("Z")).length, 0, stdout);
  assert.is(lines.filter((line) => /sleep 0\.1$/.test(line)).length, 0, stdout);
});

test("arguments and environment arrive as they are, and nothing of podium's own does", needs, async () => {
  const awkward = ["a\nb", "ü€𝄞", "", " ", "*", "$HOME", "-x", "--", "--memory", "'\"\\"];
  const shown = await runSandbox(["--", "printf", "%s\\0", ...awkward]);
  assert.equal(shown.stdout.split("\0").slice(0, -1), awkward);

  const env = { SECRET: "of podium", LD_LIBRARY_PATH: "/nowhere", TERM: "xterm", HOME: "/host/home" };
  const settings = ["-e", "A=x\ny", "-e", "B=1", "-e", "B=2", "-e", "EMPTY="];
  const { stdout } = await runSandbox([...settings, "--", "env", "-0"], { env });
  assert.equal(stdout.split("\0").slice(0, -1).sort(), [
    "A=x\ny",
    "B=2",
    "EMPTY=",
    "HOME=/root",
    "LANG=C.UTF-8",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  ]);
  const own = await runSandbox(["-e", "PATH=/nope", "-e", "HOME=/tmp", "--", "/usr/bin/env"]);
  assert.equal(own.stdout.trim().split("\n").sort(), ["HOME=/tmp", "LANG=C.UTF-8", "PATH=/nope"]);
});

test("a command is found in the PATH of the job, ten thousand characters of it too", needs, async () => {
  const deep = Array.from({ length: 500 }, (_, i) => `/nowhere/number/${i}`).join(":");
  const ran = await runSandbox(["-e", `PATH=${deep}:/usr/bin`, "--", "echo", "found"]);
  assert.equal([ran.code, ran.stdout], [0, "found\n"]);
});

test("a command begins with plain descriptors, signals, limits, session and umask", needs, async () => {
  const script = `
    ls /proc/self/fd | tr '\\n' ' '; echo
    cat /proc/self/status
    ulimit -n; umask; pwd; ps -o sid=,pgid=,tty= -p $$ | tr -s ' '; hostname`;
  const { stdout } = await runScript(script);
  const lines = stdout.trim().split("\n");
  assert.is(lines[0], "0 1 2 3 "); // 3 is the listing's own
  for (const set of ["SigBlk", "SigIgn", "SigCgt"]) assert.ok(lines.includes(`${set}:\t${"0".repeat(16)}`), stdout);
  assert.equal(lines.slice(-5), ["1024", "0022", "/", " 2 2 ?", "sandbox"]);
});

test(
  "a rootfs whose passwd is a FIFO, a folder or absurdly large neither hangs nor fails the start",
  needs,
  async () => {
    const kinds: Record<string, (path: string) => void> = {
      fifo: (path) => void execFileSync("mkfifo", [path]),
      folder: (path) => mkdirSync(path),
      large: (path) => writeFileSync(path, `${"x".repeat(8 << 20)}\nroot:x:0:0:root:/late:/bin/sh\n`),
      hostile: (path) => writeFileSync(path, "root:x:0:0:root:/proc/../../tmp:/bin/sh\n"),
    };
    for (const [name, make] of Object.entries(kinds)) {
      using folder = temporaryFolder();
      for (const part of ["etc", "usr"]) mkdirSync(join(folder.path, part));
      for (const part of ["bin", "lib", "lib64"]) symlinkSync(`usr/${part}`, join(folder.path, part));
      make(join(folder.path, "etc/passwd"));
      chmodSync(folder.path, 0o755);
      for (const mode of ["overlay", "ro"]) {
        const args = [
          `--rootfs=${folder.path}:${mode}`,
          "-v",
          "/usr::/usr",
          "--timeout=20s",
          "--",
          "sh",
          "-c",
          "echo ran $HOME",
        ];
        const { code, stdout, stderr } = await runSandbox(args);
        assert.equal([code, stderr], [0, ""], `${name} ${mode}`);
        assert.is(stdout, name === "hostile" ? "ran /proc/../../tmp\n" : "ran /\n", `${name} ${mode}`);
      }
    }
  },
);
