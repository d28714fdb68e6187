// stdin, stdout and stderr between a person's shell and the command.
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { podiumScript, runSandbox, runScript, startProgram, startSandbox, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("podium sandbox: streams");
const needs = requires("root", "libseccomp");
const mebibyte = 1024 * 1024;

/** A shell line in which $0 is podium. */
async function shell(line: string) {
  const { stdout, ...ended } = await startProgram("sh", ["-c", line, podiumScript], { input: "" }).ended;
  return { ...ended, stdout: stdout.toString() };
}

test("streams stay apart and the exit code is the command's", needs, async () => {
  const { code, stdout, stderr } = await runScript("echo out; echo err >&2; exit 7");
  assert.equal([code, stdout, stderr], [7, "out\n", "err\n"]);
});

test("64 MiB of random bytes pass through stdin and stdout unchanged", needs, async () => {
  const input = randomBytes(64 * mebibyte);
  const { code, stdout } = await startSandbox(["--", "cat"], { input }).ended;
  assert.is(code, 0);
  assert.is(stdout.length, input.length);
  assert.ok(stdout.equals(input));
});

test("1 GiB of output arrives whole, with 64 MiB of stderr between, and init stays small", needs, async () => {
  const line = `"$0" sandbox -- sh -c 'head -c 512M /dev/zero; head -c 64M /dev/zero >&2; head -c 512M /dev/zero' 2>&1 >/dev/stdout | wc -c`;
  assert.is((await shell(line)).stdout.trim(), String(1088 * mebibyte));
});

test("bytes of every value pass in both directions, one at a time", needs, async () => {
  const input = Buffer.from(Array.from({ length: 1024 }, (_, i) => i % 256));
  const { stdout } = await startSandbox(["--", "dd", "bs=1", "status=none"], { input }).ended;
  assert.ok(stdout.equals(input));
});

test("a last line without newline, and what is written just before the end, are delivered", needs, async () => {
  assert.is((await runSandbox(["--", "printf", "no newline"])).stdout, "no newline");
  await using zygote = await TestZygote.open();
  for (let i = 0; i < 50; i++) {
    const { stdout, stderr } = await zygote.run(`printf out${i}; printf err${i} >&2; kill -9 $$`);
    assert.equal([stdout, stderr], [`out${i}`, `err${i}`]);
  }
  // 64 KiB is what a pipe holds: all of it is there when the command is not any more.
  const { stdout } = await zygote.run("head -c 65536 /dev/zero; exit 3");
  assert.is(stdout.length, 65_536);
});

test("a stdin at its end, a closed one and one that nobody reads", needs, async () => {
  assert.equal(await runSandbox(["--", "cat"]), { code: 0, signal: null, stdout: "", stderr: "" });
  assert.is((await shell('"$0" sandbox -- cat <&-; echo $?')).stdout, "0\n");
  const large = Buffer.alloc(16 * mebibyte);
  assert.is((await runSandbox(["--", "true"], { input: large })).code, 0);
  assert.is((await runSandbox(["--", "head", "-c", "5"], { input: "12345678" })).stdout, "12345");
  const early = await runSandbox(["--", "sh", "-c", "exec <&-; sleep 0.3; echo closed"], { input: large });
  assert.equal([early.code, early.stdout], [0, "closed\n"]);
});

test("the command's end ends podium while its stdin is still open", needs, async () => {
  const job = startSandbox(["--", "sh", "-c", "read line; echo got $line; exit 6"]);
  job.child.stdin?.write("one\ntwo\n");
  const { code, stdout } = await job.ended;
  assert.equal([code, stdout.toString()], [6, "got one\n"]);
});

test("what is typed arrives while the command runs, line by line", needs, async () => {
  const job = startSandbox(["--", "sh", "-c", "while read line; do echo got $line; done; echo end"]);
  for (const line of ["first", "second"]) {
    job.child.stdin?.write(`${line}\n`);
    await job.sees(`got ${line}\n`);
  }
  job.child.stdin?.end("last without newline");
  assert.is((await job.ended).stdout.toString(), "got first\ngot second\nend\n");
});

test("a slow reader slows the command down instead of filling memory", needs, async () => {
  const job = startProgram("sh", ["-c", '"$0" sandbox -- head -c 64M /dev/zero | (sleep 1; sha256sum)', podiumScript]);
  const digest = createHash("sha256")
    .update(Buffer.alloc(64 * mebibyte))
    .digest("hex");
  assert.is((await job.ended).stdout.toString().slice(0, 64), digest);
});

test("what the pipes still hold when the command has ended reaches a slow reader", needs, async () => {
  const sizes = [140_000, 170_000, 200_000, 230_000, 260_000];
  const read = sizes.map((size) => shell(`"$0" sandbox -- head -c ${size} /dev/zero | (sleep 0.8; wc -c)`));
  assert.equal(
    (await Promise.all(read)).map(({ stdout }) => Number(stdout)),
    sizes,
  );
});

test("podium's reader that goes away ends the job by SIGPIPE", needs, async () => {
  const piped = await shell('("$0" sandbox -- yes; echo "ended $?" >&2) | head -1');
  assert.is(piped.stdout, "y\n");
  assert.is(piped.stderr, "podium: SIGNALED: ended by SIGPIPE\nended 141\n");
});

test("a command that closes its output goes on", needs, async () => {
  const { code, stdout } = await runScript("echo before; exec >&- 2>&-; sleep 0.3; exit 5");
  assert.equal([code, stdout], [5, "before\n"]);
});

test("daemons that hold the pipes open do not hold podium", needs, async () => {
  const started = performance.now();
  const script = "setsid sh -c '(sleep 100 &) & sleep 100' & (sleep 100 &) ; echo over";
  const { code, stdout } = await runScript(script);
  assert.equal([code, stdout], [0, "over\n"]);
  assert.ok(performance.now() - started < 60_000);
});

test("/dev/stdin, /dev/stdout and /dev/stderr can be opened by name, by every user", needs, async () => {
  for (const user of ["0", "1000:1000", "65534"]) {
    const script = "cat /dev/stdin > /dev/stdout; echo err > /dev/stderr; echo more >> /dev/stdout";
    const ran = await runSandbox(["-u", user, "--", "sh", "-c", script], { input: "in\n" });
    assert.equal(ran, { code: 0, signal: null, stdout: "in\nmore\n", stderr: "err\n" }, user);
  }
});

test("output that cannot be written and input that cannot be read are failures, not silence", needs, async () => {
  const full = await shell('"$0" sandbox -- echo lost > /dev/full');
  assert.equal([full.code, full.stderr], [125, "podium: stdout: cannot be written: ENOSPC\n"]);
  assert.is((await shell('"$0" sandbox -- sh -c "echo lost >&2" 2> /dev/full')).code, 125);
  const folder = await shell('"$0" sandbox -- cat < /');
  assert.equal([folder.code, folder.stderr], [125, "podium: stdin: cannot be read: EISDIR\n"]);
});

test("stdin from a file and a FIFO, stdout to each of them", needs, async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "file");
  const content = randomBytes(mebibyte);
  writeFileSync(file, content);
  await shell(`"$0" sandbox -- cat < ${file} > ${file}.out`);
  assert.ok(readFileSync(`${file}.out`).equals(content));
  const fifo = `cd ${folder.path}; mkfifo a b; cat file > a & cat b > piped & "$0" sandbox -- cat < a > b; wait`;
  await shell(fifo);
  assert.ok(readFileSync(join(folder.path, "piped")).equals(content));
  await shell(`"$0" sandbox -- cat < ${file} >> ${file}.out`);
  assert.is(statSync(`${file}.out`).size, 2 * mebibyte);
});

test("stdin from a block device and stdout to one, for which Node has only dummies", needs, async () => {
  using folder = temporaryFolder();
  const image = join(folder.path, "image");
  writeFileSync(image, randomBytes(mebibyte));
  const device = execFileSync("losetup", ["--find", "--show", image], { encoding: "utf8" }).trim();
  try {
    const read = await shell(`"$0" sandbox -- sha256sum < ${device}`);
    assert.is(read.stdout.slice(0, 64), createHash("sha256").update(readFileSync(image)).digest("hex"));
    const written = await shell(`"$0" sandbox -- sh -c 'yes | head -c 1M' > ${device} && sync ${device}`);
    assert.is(written.code, 0, written.stderr);
    assert.ok(readFileSync(device).equals(Buffer.from("y\n".repeat(mebibyte / 2))));
  } finally {
    execFileSync("losetup", ["--detach", device]);
  }
});

test("a podium that is stopped and goes on again loses nothing", needs, async () => {
  const job = startSandbox(["--", "sh", "-c", "for i in $(seq 20); do echo $i; sleep 0.05; done; exit 3"], {
    input: "",
  });
  await job.sees("3\n");
  process.kill(job.pid, "SIGSTOP");
  await sleep(700);
  process.kill(job.pid, "SIGCONT");
  const { code, stdout } = await job.ended;
  assert.is(code, 3);
  assert.is(stdout.toString(), `${Array.from({ length: 20 }, (_, i) => i + 1).join("\n")}\n`);
});

test("half a mebibyte of stdin for each of 16 jobs at once is not mixed up", needs, async () => {
  await using zygote = await TestZygote.open();
  const jobs = Array.from({ length: 16 }, async (_, i) => {
    const input = Buffer.alloc(mebibyte / 2, i);
    const job = await zygote.start({ argv: ["sha256sum"], stdin: true });
    const control = await job.control();
    if (!control.input(input)) await once(control.socket, "drain");
    control.inputEnd();
    const { stdout } = await job.finished;
    control.close();
    assert.is(stdout.slice(0, 64), createHash("sha256").update(input).digest("hex"));
  });
  await Promise.all(jobs);
});
