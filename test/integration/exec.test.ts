// `podium exec`: what a further command shares with its job, how it ends, and its streams.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { Exec, type ExecResult } from "../../src/client/exec.ts";
import { podiumScript } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { Tmux } from "../support/tmux.ts";
import { residentMiB, until } from "./live-server.ts";

const test = suite("podium exec");
const root = requires("root", "libseccomp");
const never = new AbortController().signal;

const rule = { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_KILL_PROCESS" };
const killing = JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] });

/** Processes of the host with this argument. */
function withArgument(text: string): number {
  try {
    return execFileSync("pgrep", ["-f", `^sleep ${text}$`], { encoding: "utf8" })
      .trim()
      .split("\n").length;
  } catch {
    return 0;
  }
}

test(
  "P05 it is in the job's namespaces, group, filter and user, with its capabilities and environment",
  root,
  async () => {
    await using server = await TestServer.start({
      config: { capabilities: [{ users: ["*"], names: ["KILL"] }] },
      network: true,
    });
    const look = `cd /proc/self/ns; for n in *; do case $n in *for_children) ;; *) readlink $n;; esac; done; cat /proc/self/cgroup
    grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Sig|Shd)' /proc/self/status; cat /proc/self/oom_score_adj; ulimit -a; cd "$OLDPWD"; pwd
    env | sort | grep -v ^_; id; hostname; ls -l /proc/self/fd | grep -c '[0-9] -> '; cat /proc/self/uid_map /proc/self/limits; nice`;
    const options = ["-e", "A=1", "-w", "/tmp", "--hostname", "box"];
    for (const [i, more] of [
      [],
      ["-u", "7:8"],
      ["-u", "7:8", "--cap-add", "KILL"],
      ["--seccomp", "unconfined"],
    ].entries()) {
      const user = i === 3 ? "admin" : "alice";
      const script = `(${look}) 2>&1; echo done; exec sleep 1000`;
      const id = (await server.podium(user, ["start", ...options, ...more, "--", "sh", "-c", script])).stdout.trim();
      const own = () => readFileSync(join(server.data, "jobs", id, "stdout"), "utf8");
      await until("the job has looked around", () => own().endsWith("done\n"));
      const other = await server.podium(user, ["exec", id, "--", "sh", "-c", `(${look}) 2>&1; echo done`]);
      assert.equal([other.stderr, other.code], ["", 0], more.join(" "));
      assert.is(other.stdout, own(), more.join(" "));
      assert.match(other.stdout, /^NoNewPrivs:\t1$/m);
      const changed = ["exec", "-e", "B=2", "-w", "/", "-u", "3:4", id, "sh", "-c", "echo $A $B; pwd; id -u; id -g"];
      assert.is((await server.podium(user, changed)).stdout, "1 2\n/\n3\n4\n");
      const seen = await server.podium(user, ["exec", id, "ps", "-e", "-o", "comm="]);
      assert.equal(seen.stdout.trim().split("\n").slice(-2), ["sleep", "ps"]);
      await server.podium(user, ["stop", "--grace", "0s", id]);
      assert.not(existsSync(join(server.data, "jobs", id, "program.json")));
    }
  },
);

test("P05 it ends with its own code, and what cannot be run, or not by this user, is told", root, async () => {
  await using server = await TestServer.start();
  await server.podium("alice", ["start", "--name", "box", "--", "sleep", "1000"]);
  await server.podium("alice", ["start", "--name", "gone", "--", "true"]);
  await server.podium("alice", ["wait", "gone"]);
  const exec = (...args: string[]) => server.podium("alice", ["exec", ...args]);
  const both = await exec("box", "--", "sh", "-c", "echo out; echo err >&2; exit 42");
  assert.equal([both.code, both.stdout, both.stderr], [42, "out\n", "err\n"]);
  const background = await exec("box", "sh", "-c", "sleep 1000 & echo started");
  assert.equal([background.code, background.stdout], [0, "started\n"]);
  const codes: readonly (readonly [number, string, ...string[]])[] = [
    [137, "", "box", "sh", "-c", "kill -9 $$"],
    [127, "find: no-such: not found in the job's PATH", "box", "no-such"],
    [126, "find: /etc/passwd: is not executable", "box", "/etc/passwd"],
    [125, "cwd: /absent: no such folder in the job's root", "-w", "/absent", "box", "true"],
    [125, "job 2 has ended", "gone", "true"],
    [125, "there is no job", "99", "true"],
  ];
  for (const [code, message, ...args] of codes) {
    const { code: told, stderr } = await exec(...args);
    assert.is(told, code, `${args.join(" ")}: ${stderr}`);
    assert.ok(stderr.includes(message), stderr);
  }
  for (const [user, message] of [
    ["admin", /job 1 is alice's: only its owner may enter it/],
    ["bob", /there is no job 1/],
    ["viewer", /podium:viewer/],
  ] as const) {
    const refused = await server.podium(user, ["exec", "1", "true"]);
    assert.is(refused.code, 125);
    assert.match(refused.stderr, message);
  }
  using podium = server.connect("alice");
  const ended = await new Exec(podium, { id: 2n, argv: ["true"] }, never)
    .result(async () => {})
    .catch((error) => error);
  assert.is(ended.status, "FAILED_PRECONDITION");
});

test("P05 a filter that kills kills it alone, and the job goes on", root, async () => {
  await using server = await TestServer.start();
  using place = temporaryFolder();
  const file = join(place.path, "profile.json");
  writeFileSync(file, killing);
  await server.podium("alice", ["start", "--seccomp", file, "--", "sleep", "1000"]);
  const killed = await server.podium("alice", ["exec", "1", "mkdir", "/tmp/a"]);
  assert.is(killed.code, 159, killed.stderr);
  const after = await server.podium("alice", ["exec", "1", "ls", "/tmp"]);
  assert.equal([after.code, after.stdout], [0, ""]);
});

test("P05 it is killed with the job, with its client and with the server", root, async () => {
  await using server = await TestServer.start();
  await server.podium("alice", ["start", "--name", "box", "--", "sleep", "1000"]);
  const script = (mark: number) => `sleep ${mark}1 & setsid sleep ${mark}2 & sleep ${mark}3 | cat & echo up; wait`;
  const running = async (mark: number) => {
    const cli = server.cli("alice", ["exec", "box", "bash", "-mc", script(mark)]);
    await cli.sees("up");
    await until("its processes are there", () => withArgument(`${mark}[123]`) === 3);
    return cli;
  };
  const gone = await running(8801);
  process.kill(gone.pid, "SIGKILL");
  await until("its session is gone", () => withArgument("8801[13]") === 0);
  assert.is(withArgument("88012"), 1); // a session of its own is the job's
  const interrupted = server.cli("alice", [
    "exec",
    "box",
    "sh",
    "-c",
    "trap 'exit 9' INT; echo up; while :; do sleep 0.1; done",
  ]);
  await interrupted.sees("up");
  process.kill(interrupted.pid, "SIGINT");
  assert.is((await interrupted.ended).code, 9);
  const left = await running(8802);
  await server.stop();
  assert.is((await left.ended).code, 125);
  await until("the session of the server's is gone", () => withArgument("8802[13]") === 0);
  await server.start();
  const crashed = await running(8804);
  await server.kill();
  assert.is((await crashed.ended).code, 125);
  await until("the session of the crashed server's is gone", () => withArgument("8804[13]") === 0);
  await server.start();
  const killed = await running(8803);
  await server.podium("alice", ["stop", "--grace", "0s", "box"]);
  const end = await killed.ended;
  assert.equal([end.code, end.stdout.toString()], [137, "up\n"]);
  assert.is(withArgument("880[1234][123]"), 0);
});

interface Told {
  readonly stdout: string;
  readonly stderr: string;
  readonly result: ExecResult;
}

async function told(running: Exec): Promise<Told> {
  const text = { stdout: "", stderr: "" };
  const result = await running.result(async (stream, bytes) => {
    text[stream] += bytes.toString();
  });
  return { ...text, result };
}

/** Of the process that stands between the server and its one further command. */
function relayMiB(server: TestServer): number {
  const pid = execFileSync("pgrep", ["-P", String(server.pid), "-f", "/exec.cjs$"], { encoding: "utf8" });
  return residentMiB(Number(pid));
}

const streamsOf = (terminal: boolean) => (terminal ? { terminal: { rows: 7, columns: 70 } } : {});

test("P06 terminal and stdin in all four combinations", root, async () => {
  await using server = await TestServer.start();
  using podium = server.connect("alice");
  await server.podium("alice", ["start", "--", "sleep", "1000"]);
  const script = `for n in 0 1 2; do test -t $n && printf $n; done; echo err >&2; test -t 0 && tty && stty size
    read line; echo got $line; exit 3`;
  const exec = async (terminal: boolean, stdin: boolean) => {
    const open = { id: 1n, argv: ["sh", "-c", script], stdin, ...streamsOf(terminal) };
    const running = new Exec(podium, open, never);
    const result = told(running);
    if (stdin) await running.input(Buffer.from("typed\n"));
    return { running, result };
  };
  const exited = { exited: { exitCode: 3, signal: "" } };
  assert.equal(await (await exec(false, false)).result, { stdout: "got\n", stderr: "err\n", result: exited });
  assert.equal(await (await exec(false, true)).result, { stdout: "got typed\n", stderr: "err\n", result: exited });
  const typed = await (await exec(true, true)).result;
  assert.equal([typed.result, typed.stderr], [exited, ""]);
  assert.match(typed.stdout.replace("typed\r\n", ""), /^012err\r\n\/dev\/pts\/\d\r\n7 70\r\ngot typed\r\n$/);
  const shown = await exec(true, false);
  shown.running.signal("HUP"); // also when it comes before the command is there
  assert.equal((await shown.result).result, { exited: { exitCode: undefined, signal: "SIGHUP" } });
});

test(
  "P06 exec -it is a terminal like run -it, and leaves one's own as it was",
  requires("root", "libseccomp", "tmux"),
  async () => {
    await using server = await TestServer.start();
    await server.podium("alice", ["start", "--", "sleep", "1000"]);
    using tmux = new Tmux({ PODIUM_PROFILE: server.profile("alice"), podium: podiumScript });
    const before = await tmux.settings();
    tmux.line("$podium exec -it -e PS1='in> ' 1 -- bash --norc");
    await tmux.shows(/in>$/);
    tmux.line("tty; stty size");
    await tmux.shows(/\/dev\/pts\/0\n24 80\nin>$/);
    tmux.resize(100, 30);
    tmux.line('until [ "$(stty size)" = "30 100" ]; do sleep 0.1; done; stty size; sleep 2000');
    await tmux.shows(/\n30 100$/);
    await tmux.pressAt("sleep 2000", "C-c");
    await tmux.shows(/\^C\nin>$/);
    tmux.line("exit 7");
    await tmux.shows(/exit\n\$$/);
    tmux.line("echo code $?");
    await tmux.shows(/code 7\n\$$/);
    assert.is(await tmux.settings(), before.replace("rows 24; columns 80", "rows 30; columns 100"));
  },
);

test(
  "P06 output waits for a slow client and input for a slow command; nothing is lost, and no memory grows",
  root,
  async () => {
    await using server = await TestServer.start();
    await server.podium("alice", ["start", "--", "sleep", "1000"]);
    using podium = server.connect("alice");
    const sizes = [residentMiB(server.pid)];
    const relay: number[] = [];
    const size = 150 << 20;
    let bytes = 0;
    const flood = new Exec(podium, { id: 1n, argv: ["head", "-c", String(size), "/dev/zero"] }, never);
    await flood.result(async (_, piece) => {
      if (bytes === 0) await sleep(1500);
      if (bytes === 0) {
        sizes.push(residentMiB(server.pid));
        relay.push(relayMiB(server));
      }
      bytes += piece.length;
    });
    assert.is(bytes, size);
    sizes.push(residentMiB(server.pid));
    const waits = "until [ -e /tmp/go ]; do sleep 0.1; done; wc -c";
    const slow = new Exec(podium, { id: 1n, argv: ["sh", "-c", waits], stdin: true }, never);
    const counted = told(slow);
    let sent = 0;
    const source = async function* () {
      const piece = Buffer.alloc(1 << 20);
      for (; sent < 100; sent++) yield piece;
    };
    const fed = slow.feed(source());
    for (let before = -1; before !== sent || sent === 0; await sleep(1200)) before = sent;
    assert.ok(sent < 60, `${sent} MiB were taken by a command that reads nothing`);
    sizes.push(residentMiB(server.pid));
    relay.push(relayMiB(server));
    assert.is((await server.podium("alice", ["exec", "1", "touch", "/tmp/go"])).code, 0);
    await fed;
    assert.is((await counted).stdout, `${100 << 20}\n`);
    assert.ok(Math.max(...relay) < 120, `its process has grown to ${relay.join(" ")} MiB`);
    const most = Math.max(...sizes) - (sizes[0] as number);
    assert.ok(most < 90, `the server grew by ${most} MiB: ${sizes.join(" ")}`);
  },
);
