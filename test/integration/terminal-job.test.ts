// A job's own terminal, seen from inside and from its supervisor, without a client.
import { readFileSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { childrenOf, inForeground } from "../support/processes.ts";
import { type StartedJob, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { cpuSeconds, until } from "./live-server.ts";

const test = suite("a job's terminal");
const needs = requires("root", "libseccomp");
const terminal = { rows: 24, columns: 80 };
const patienceMs = 60_000;

/** Waits for what the terminal shows; throws with all of it. */
async function shows({ folder }: StartedJob, wanted: RegExp): Promise<string> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const text = readFileSync(`${folder}/stdout`, "utf8");
    if (wanted.test(text)) return text;
    if (performance.now() > deadline) throw new Error(`not shown: ${wanted}, but ${JSON.stringify(text)}`);
    await sleep(10);
  }
}

test("P01 tty says /dev/pts/0, all three streams are it, it is the job's user's and the session's", needs, async () => {
  await using zygote = await TestZygote.open();
  const script = `tty; for n in 0 1 2; do readlink /proc/self/fd/$n; done; stat -c '%u:%G %a' $(tty)
    ps -o tty=,sid=,pid= -p $$ | tr -s ' '; echo $$; stty size; echo $TERM; stty -a | grep -o ' iutf8'`;
  for (const uid of [0, 1000]) {
    const { stdout, stderr, record } = await zygote.run(script, { terminal, user: { uid, gid: uid } });
    const [tty, ...rest] = stdout.split("\r\n");
    assert.is(tty, "/dev/pts/0", stdout);
    assert.equal(rest.slice(0, 3), ["/dev/pts/0", "/dev/pts/0", "/dev/pts/0"]);
    assert.is(rest[3], `${uid}:tty 620`);
    const pid = rest[5];
    assert.is(rest[4]?.trim(), `pts/0 ${pid} ${pid}`);
    assert.equal(rest.slice(6), ["24 80", "xterm", " iutf8", ""]);
    assert.equal([stderr, record.exitCode], ["", 0]);
  }
});

test("P01 sizes of 0, 1 and 65535 are kept, and a change is told with SIGWINCH", needs, async () => {
  await using zygote = await TestZygote.open();
  for (const [rows, columns] of [
    [0, 0],
    [1, 1],
    [65_535, 65_535],
    [1, 65_535],
  ] as const) {
    const { stdout } = await zygote.run("stty size", { terminal: { rows, columns } });
    assert.is(stdout, `${rows} ${columns}\r\n`);
  }
  const script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done";
  const job = await zygote.start({ argv: ["bash", "-c", script], terminal });
  const control = await job.control();
  await shows(job, /ready/);
  for (const [rows, columns] of [
    [50, 132],
    [65_535, 1],
    [0, 65_535],
    [24, 80],
  ] as const) {
    control.resize({ rows, columns });
    await shows(job, new RegExp(`\\n${rows} ${columns}\\r\\n$`));
  }
  control.signal(9);
  await job.finished;
});

test("P02 without a terminal none of the streams is one, and there is none to open", needs, async () => {
  await using zygote = await TestZygote.open();
  const script = "for n in 0 1 2; do test -t $n && echo $n; done; (true < /dev/tty); echo; tty; cat; ls /dev/pts";
  const { stdout, stderr } = await zygote.run(script);
  assert.is(stdout, "\nnot a tty\nptmx\n");
  assert.match(stderr, /\/dev\/tty: No such device or address/);
  const piped = await zygote.start({ argv: ["sh", "-c", "test -t 0 || cat"], stdin: true });
  const control = await piped.control();
  control.input(Buffer.from("piped"));
  control.inputEnd();
  assert.is((await piped.finished).stdout, "piped");
});

test("with a terminal on which nobody types, reading waits and what is typed goes nowhere", needs, async () => {
  await using zygote = await TestZygote.open();
  const { stdout, record } = await zygote.run(["bash", "-c", "read -t 1 line; echo $?; test -t 0 && echo terminal"], {
    terminal,
  });
  assert.is(record.exitCode, 0);
  assert.match(stdout, /^142\r\nterminal\r\n$/);
  const job = await zygote.start({ argv: ["sh", "-c", "read line; echo got $line"], terminal, timeoutMs: 1000 });
  const control = await job.control();
  control.input(Buffer.from("typed\n"));
  const finished = await job.finished;
  assert.equal([finished.stdout, finished.record.cause], ["", "TIMEOUT"]);
});

test(
  "P03 the keys for interrupt, quit and suspend reach the foreground job, and fg brings it back",
  needs,
  async () => {
    await using zygote = await TestZygote.open();
    const argv = ["bash", "--norc", "--noprofile", "-i"];
    const env = ["PS1=$? ready> ", "HISTFILE="];
    const job = await zygote.start({ argv, env, terminal, stdin: true });
    const control = await job.control();
    const type = (text: string) => control.input(Buffer.from(text));
    await shows(job, /0 ready> $/);
    type("sleep 1000\n");
    const waits = (commandLine: string) => until(commandLine, () => inForeground(commandLine));
    await waits("sleep 1000");
    type("\x03");
    await shows(job, /130 ready> $/);
    type("sleep 2000\n");
    await waits("sleep 2000");
    type("\x1c");
    await shows(job, /131 ready> $/);
    type("cat\n");
    await waits("cat");
    type("\x1a");
    await shows(job, /Stopped +cat\r\n.*148 ready> $/s);
    type("jobs; fg\n");
    await shows(job, /\ncat\r\n$/);
    type("again\n");
    await shows(job, /again\r\nagain\r\n$/);
    type("\x04");
    await shows(job, /0 ready> $/);
    type("exit 7\n");
    const { record } = await job.finished;
    assert.equal([record.cause, record.exitCode], ["EXITED", 7]);
  },
);

test("not a byte is lost: 200 short commands, and floods that end at once", needs, async () => {
  await using zygote = await TestZygote.open();
  for (let i = 0; i < 200; i++) {
    const { stdout, record } = await zygote.run(["echo", "x"], { terminal });
    assert.equal([stdout, record.exitCode], ["x\r\n", 0], `run ${i}`);
  }
  const wanted = Array.from({ length: 200_000 }, (_, i) => `${i + 1}\r\n`).join("");
  for (let i = 0; i < 3; i++) assert.ok((await zygote.run(["seq", "200000"], { terminal })).stdout === wanted);
});

test("a job ends with its command, whoever still has the terminal open", needs, async () => {
  await using zygote = await TestZygote.open();
  const script = "trap '' HUP; setsid -f sleep 1000; (sleep 1000 &); nohup sleep 1000 & echo end; exit 3";
  const { stdout, record } = await zygote.run(["bash", "-c", script], { terminal, stdin: true });
  assert.equal([record.cause, record.exitCode], ["EXITED", 3]);
  assert.match(stdout, /end\r\n/);
});

test("a terminal that everybody in the job has closed costs nothing and comes back", needs, async () => {
  await using zygote = await TestZygote.open();
  const script = "exec 0<&- 1>&- 2>&-; sleep 3; exec > /dev/tty; echo back";
  const job = await zygote.start({ argv: ["sh", "-c", script], terminal });
  await until("it sleeps", () => childrenOf(job.pid).length === 1);
  await sleep(300);
  const before = cpuSeconds(job.initPid);
  await sleep(1500);
  const used = cpuSeconds(job.initPid) - before;
  assert.ok(used < 0.1, `its init used ${used} s of the processor in 1.5 s`);
  assert.is((await job.finished).stdout, "back\r\n");
});

test("F08 /dev/console is there with a terminal only, and is it", needs, async () => {
  await using zygote = await TestZygote.open();
  const list = "ls /dev | tr '\\n' ' '";
  const usual = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
  assert.is((await zygote.run(list)).stdout, `${usual} `);
  const { stdout } = await zygote.run(`${list}; echo; test -c /dev/console; echo hello > /dev/console`, { terminal });
  assert.is(stdout, `console ${usual} \r\nhello\r\n`);
});

test(
  "K11 TIOCSTI and TIOCLINUX push nothing into any terminal",
  requires("root", "libseccomp", "python3"),
  async () => {
    await using zygote = await TestZygote.open();
    const script = `
import ctypes, os, termios
libc = ctypes.CDLL(None, use_errno=True)
ioctl = {"x86_64": 16, "aarch64": 29}[os.uname().machine]
def push(name, number, argument):
    failed = libc.syscall(ctypes.c_long(ioctl), ctypes.c_long(0), ctypes.c_ulong(number), ctypes.c_char_p(argument))
    print(name, os.strerror(ctypes.get_errno()) if failed else "pushed")
push("TIOCSTI", termios.TIOCSTI, b"x")
push("TIOCLINUX", 0x541c, b"\\3")
push("TIOCSTI", termios.TIOCSTI | 1 << 32, b"x")
`;
    const run = await zygote.run(["python3", "-c", script], { terminal, stdin: true });
    const refusals = ["TIOCSTI", "TIOCLINUX", "TIOCSTI"].map((name) => `${name} Operation not permitted\r\n`);
    assert.is(run.stdout, refusals.join(""));
  },
);

test("a full terminal waits for its reader: input beyond its room comes when there is room", needs, async () => {
  await using zygote = await TestZygote.open();
  const script = "stty raw -echo; echo ready; sleep 1; head -c 1000000 | wc -c";
  const job = await zygote.start({ argv: ["sh", "-c", script], terminal, stdin: true });
  const control = await job.control();
  await shows(job, /ready/);
  const before = statSync(`${job.folder}/stdout`).size;
  control.input(Buffer.alloc(1_000_000, "x"));
  assert.match((await job.finished).stdout.slice(before), /1000000/);
});
