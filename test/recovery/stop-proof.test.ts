// A Stop that has been answered is a proof: no process of the job is left, in whatever state it was.
import { readdirSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { Cause } from "../../src/gen/podium.ts";
import { groupsOf, processesOf } from "../integration/job-traces.ts";
import { isAlive, LiveServer, until } from "../integration/live-server.ts";
import { Canary, stateOf } from "../support/processes.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("stop is proven");

const escapees = `
import ctypes, os, signal, time
libc = ctypes.CDLL(None)
for number in range(1, 32):
    if number not in (9, 17, 19): signal.signal(number, signal.SIG_IGN)
def child(body):
    if os.fork() == 0:
        body()
        os._exit(0)
def stopped():
    os.kill(os.getpid(), signal.SIGSTOP)
def traced():
    libc.ptrace(0, 0, 0, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
def daemon():
    os.setsid()
    if os.fork() != 0: return
    os.closerange(0, 10)
    time.sleep(1000)
def orphans():
    for _ in range(20):
        if os.fork() == 0: time.sleep(1000)
    time.sleep(1000)
def vforker():
    os.posix_spawn("/bin/sleep", ["sleep", "1000"], os.environ)
for body in (stopped, traced, daemon, orphans, vforker): child(body)
child(lambda: None)
time.sleep(0.5)
print("ready", flush=True)
time.sleep(1000)
`;

function pidNamespace(pid: string | number | bigint): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return "";
  }
}

function inNamespace(name: string): string[] {
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && pidNamespace(pid) === name);
}

test(
  "L06 when stop returns, group and pid namespace are empty: stopped, traced, deaf and orphaned processes",
  requires("root", "libseccomp", "python3"),
  async () => {
    using canary = new Canary();
    await using server = await LiveServer.start();
    const api = server.api();
    for (const graceMs of [0n, 300n]) {
      const id = await api.startId({ argv: ["python3", "-c", escapees] });
      await until("all escapees", () => server.jobFile(id, "stdout") === "ready\n");
      const halted = (pid: number) => ["T", "t"].includes(stateOf(pid) ?? "");
      let members: number[] = [];
      await until("26 processes, two of them stopped", () => {
        members = processesOf(server, id);
        return members.length >= 26 && members.filter(halted).length >= 2;
      });
      const namespace = pidNamespace((await api.info(id)).pid);
      assert.ok(inNamespace(namespace).length >= members.length);
      await api.stop({ id, graceMs });
      assert.equal(members.filter(isAlive), []);
      assert.equal(inNamespace(namespace), []);
      assert.equal(groupsOf(server, id), []);
      assert.is((await api.info(id)).outcome?.cause, Cause.STOPPED);
    }
    assert.ok(canary.lives);
  },
);

/** Starts processes as fast as it may, each in a session of its own. */
const storm = "echo ready; while :; do setsid sleep 0.2 & done 2>/dev/null";

test(
  "L06 when stop returns nothing of a further command is left: escapees, a fork storm, and those about to start",
  requires("root", "libseccomp", "python3"),
  async () => {
    using canary = new Canary();
    await using server = await TestServer.start();
    for (const round of [1, 2, 3]) {
      const options = ["--pids", "100", "--name", `round-${round}`];
      const { stdout } = await server.podium("alice", ["start", ...options, "--", "sleep", "1000"]);
      const id = BigInt(stdout);
      const exec = (...command: string[]) => server.cli("alice", ["exec", String(id), "--", ...command], { input: "" });
      const running = [exec("python3", "-c", escapees)];
      await running[0]?.sees("ready"); // the storm leaves no room for anybody
      running.push(exec("sh", "-c", storm));
      await running[1]?.sees("ready");
      const late = Array.from({ length: 4 }, () => exec("setsid", "sleep", "1000"));
      const members = processesOf(server, id);
      const states = members.map((pid) => stateOf(pid));
      assert.ok(states.filter((state) => state === "T" || state === "t").length >= 2, `${states}`);
      const namespace = pidNamespace(members[0] ?? 0);
      assert.ok(inNamespace(namespace).length >= 26);
      if (round > 1) await sleep(100 * round); // the late ones come to different places
      const stopped = await server.podium("alice", ["stop", "--grace", "0s", String(id)]);
      assert.equal([stopped.code, groupsOf(server, id), inNamespace(namespace)], [0, [], []], stopped.stderr);
      assert.equal(members.filter(isAlive), []);
      for (const { ended } of running) assert.is.not((await ended).code, 0);
      await Promise.all(late.map(({ ended }) => ended)); // setsid may have forked and be done
    }
    assert.ok(canary.lives);
  },
);
