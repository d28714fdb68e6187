// `podium run -it` and `attach` in a real terminal: what is typed, and what the screen shows.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { podiumScript } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { Tmux } from "../support/tmux.ts";
import { until } from "../support/until.ts";

const test = suite("podium run -it and attach");
const needs = requires("root", "libseccomp", "tmux");

function shellOf(server: TestServer, user = "alice"): Tmux {
  return new Tmux({ PODIUM_PROFILE: server.profile(user), podium: podiumScript });
}

/** A line that shows the terminal's size once it is this one: a change takes its time from terminal to job. */
const untilSize = (size: string) => `until [ "$(stty size)" = "${size}" ]; do sleep 0.1; done; stty size`;
const bash = "$podium run -it -e PS1='in> ' -- bash --norc";

test("P01 P03 an interactive shell: name, TERM, size and its change, job control, exit code", needs, async () => {
  await using server = await TestServer.start();
  using tmux = shellOf(server);
  const before = await tmux.settings();
  tmux.line(bash);
  await tmux.shows(/in>$/);
  tmux.line("tty; stty size; echo $TERM");
  await tmux.shows(/\/dev\/pts\/0\n24 80\n(tmux|screen)(-256color)?\nin>$/);
  tmux.resize(100, 30);
  tmux.line(untilSize("30 100"));
  await tmux.shows(/\n30 100\nin>$/);
  tmux.line("sleep 1000");
  await tmux.pressAt("sleep 1000", "C-z");
  await tmux.shows(/\[1\]\+ +Stopped +sleep 1000\nin>$/);
  tmux.line("fg");
  await tmux.pressAt("sleep 1000", "C-c");
  await tmux.shows(/\^C\nin>$/);
  tmux.line("echo $?; sleep 2000");
  await tmux.shows(/\n130$/);
  await tmux.pressAt("sleep 2000", "C-\\");
  await tmux.shows(/\^\\Quit( \(core dumped\))?\nin>$/);
  tmux.line("exit 7");
  await tmux.shows(/exit\n\$$/);
  tmux.line("echo code $?");
  await tmux.shows(/code 7\n\$$/);
  assert.is(await tmux.settings(), before.replace("rows 24; columns 80", "rows 30; columns 100"));
});

test("less, top and vim draw their screens, follow a new size, and leave it as it was", needs, async () => {
  await using server = await TestServer.start();
  using tmux = shellOf(server);
  tmux.line(
    "$podium run -it -- sh -c 'seq 1000 > /tmp/f; less /tmp/f; top -d 60; vim.tiny -u NONE -n /tmp/g; cat /tmp/g'",
  );
  await tmux.shows(/^1\n2\n[\s\S]*\n23\n\/tmp\/f/m);
  tmux.press("G");
  await tmux.shows(/\n1000\n\(END\)$/);
  tmux.resize(80, 12);
  await tmux.shows(/\n988\n:$/);
  tmux.press("G");
  await tmux.shows(/(^|\n)990\n[\s\S]*1000\n\(END\)$/);
  tmux.press("q");
  await tmux.shows(/top - [\s\S]*PID +USER[\s\S]* top$/);
  tmux.press("q");
  await tmux.shows(/~\n~\n/);
  tmux.press("i");
  tmux.type("written in vim ü");
  tmux.press("Escape");
  tmux.line(":wq");
  await tmux.shows(/written in vim ü\n\$$/);
});

test(
  "P04 detach and attach again: the job runs on, what it showed comes back, two may be attached",
  needs,
  async () => {
    await using server = await TestServer.start();
    using one = shellOf(server);
    using two = shellOf(server);
    one.line(bash.replace("-it", "-it --name shell"));
    await one.shows(/in>$/);
    one.line("echo fir''st");
    await one.shows(/\nfirst\nin>$/);
    one.press("C-p", "C-q");
    await one.shows(/podium: left job 1 running; to come back: podium attach 1\n\$$/);
    two.line("$podium attach shell");
    await two.shows(/first\nin>$/);
    one.line("clear; $podium attach 1");
    await one.shows(/first\nin>$/);
    two.line("echo from t''wo");
    await one.shows(/\nfrom two\nin>$/);
    one.line("echo from o''ne");
    await two.shows(/\nfrom one\nin>$/);
    two.press("C-p", "C-q");
    await two.shows(/left job 1 running[\s\S]*\$$/);
    one.line("exit 5");
    await one.shows(/exit\n\$$/);
    one.line("echo code $?; $podium attach 1; $podium logs 1 | grep -c from");
    await one.shows(/code 5\npodium: job 1 has ended\n +to see its output: podium logs 1\n4\n/);
  },
);

test("a single Ctrl-P still reaches the job", needs, async () => {
  await using server = await TestServer.start();
  using tmux = shellOf(server);
  tmux.line("$podium run -it -- sh -c 'stty raw -echo; echo ready; head -c 3 | od -An -tx1'");
  await tmux.shows(/ready/);
  tmux.press("C-p", "a", "C-p");
  await tmux.shows(/10 61 10/);
});

test("what the job writes reaches the screen as it is: a bare line feed moves straight down", needs, async () => {
  await using server = await TestServer.start();
  using tmux = shellOf(server);
  const before = await tmux.settings();
  tmux.line(
    "clear; $podium run -it -- sh -c 'stty raw -echo; printf \"ab\\ncd\"; head -c 1; stty sane; echo; echo ef; echo gh'",
  );
  await tmux.shows(/^ab\n {2}cd$/);
  tmux.press("a");
  await tmux.shows(/^ab\n {2}cda\nef\ngh\n\$$/);
  assert.is(await tmux.settings(), before);
});

test("with -t alone nobody types to the job, and Ctrl-C stops it", needs, async () => {
  await using server = await TestServer.start();
  using tmux = shellOf(server);
  const before = await tmux.settings();
  tmux.line("clear; $podium run -t -- sh -c 'echo up; exec sleep 1000'");
  await tmux.shows(/^up$/);
  tmux.press("C-c");
  await tmux.shows(/podium: job 1: STOPPED: [^\n]*\n\$$/);
  tmux.line("echo code $?");
  await tmux.shows(/code 143\n\$$/);
  assert.is(await tmux.settings(), before);
});

const untidy = "stty -a > /dev/null; tput -T xterm smcup; printf '\\033[?25l'; echo inside; exec sleep 1000";

test("P08 the terminal is as before when the job is killed, or podium gets SIGTERM or SIGHUP", needs, async () => {
  await using server = await TestServer.start();
  using tmux = shellOf(server);
  const before = await tmux.settings();
  const ends = [
    async () => void (await server.podium("alice", ["stop", "--signal", "KILL", "1"])),
    async () => void process.kill(tmux.childPid(), "SIGTERM"),
    async () => void process.kill(tmux.childPid(), "SIGHUP"),
  ];
  for (const [i, end] of ends.entries()) {
    tmux.line(`echo he''re ${i}; $podium run -it -- sh -c "${untidy}"`);
    await tmux.shows(/inside$/, `job ${i + 1}`);
    await end();
    await tmux.shows(new RegExp(`here ${i}\\n(.*\\n)*\\$$`), `job ${i + 1}`); // the first screen is back
    assert.is(await tmux.settings(), before, `job ${i + 1}`);
  }
});

test(
  "P08 a session outlives the server: it goes on when the server is back, and can be left when it is not",
  needs,
  async () => {
    await using server = await TestServer.start();
    using tmux = shellOf(server);
    const before = await tmux.settings();
    tmux.line(bash);
    await tmux.shows(/in>$/);
    await server.kill();
    await sleep(2000); // what is typed into a connection that is just breaking is lost, as on any line
    tmux.line("echo st''ill here");
    await server.start();
    await tmux.shows(/\nstill here\nin>$/);
    await server.stop();
    await sleep(500); // it waits for the server by now
    tmux.press("C-p", "C-q");
    await tmux.shows(/left job 1 running; to come back: podium attach 1\n\$$/);
    assert.is(await tmux.settings(), before);
    await server.start();
    tmux.line("clear; $podium attach 1");
    await tmux.shows(/still here\nin>$/);
    tmux.line("exit");
    await tmux.shows(/exit\n\$$/);
  },
);

test("-t without a terminal is refused before anything is started; -d gives one all the same", needs, async () => {
  await using server = await TestServer.start();
  const refused = await server.podium("alice", ["run", "-it", "bash"]);
  assert.equal([refused.code, refused.stdout], [125, ""]);
  assert.is(refused.stderr, "podium: -t: stdin is not a terminal\n  leave -t out, or run podium in a terminal\n");
  assert.is((await server.podium("alice", ["ps", "-a", "-o", "json"])).stdout, "[]\n");
  const detached = await server.podium("alice", [
    "run",
    "-dit",
    "--",
    "sh",
    "-c",
    "stty size; read line; echo got $line",
  ]);
  assert.equal([detached.code, detached.stdout, detached.stderr], [0, "1\n", ""]);
  await until("its size", () => readFileSync(join(server.data, "jobs/1/stdout"), "latin1") === "24 80\r\n");
  const piped = await server.podium("alice", ["attach", "1"], { input: "a line\n" });
  assert.equal([piped.code, piped.stderr], [0, ""]);
  assert.is(piped.stdout, "24 80\r\na line\r\ngot a line\r\n");
});

test("attach to a job without a terminal: its output from before, and stdin", needs, async () => {
  await using server = await TestServer.start();
  const job = server.cli("alice", ["run", "-i", "--", "sh", "-c", "echo out; echo err >&2; cat; exit 4"]);
  await job.sees("out");
  const attached = await server.podium("alice", ["attach", "1"], { input: "fed\n" });
  assert.equal([attached.code, attached.stdout, attached.stderr], [4, "out\nfed\n", "err\n"]);
  assert.is((await job.ended).code, 4);
  const other = await server.podium("bob", ["attach", "1"]);
  assert.match(other.stderr, /there is no job 1/);
});
