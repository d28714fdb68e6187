// Somebody on the host has stopped a process of podium (SIGSTOP, a debugger): nobody waits for it for ever, and what only
// pauses is not killed for it.
import { existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { jobStatus } from "../../src/client/jobs.ts";
import { startJob } from "../../src/client/start.ts";
import { stopJob } from "../../src/client/stop.ts";
import { StartRequest } from "../../src/gen/podium.ts";
import { readProcesses } from "../../src/jobs/processes.ts";
import { groupsOf, processesOf } from "../integration/job-traces.ts";
import { isAlive, until } from "../integration/live-server.ts";
import { Canary, childrenOf, stateOf } from "../support/processes.ts";
import { startProgram } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("stopped processes of podium");
const root = requires("root", "libseccomp");
const deaf = StartRequest.create({ cmd: "trap '' TERM; setsid sleep 1000 & while :; do sleep 1; done" });

function initOf({ data }: TestServer, id: bigint): number {
  const { init } = readProcesses(join(data, "jobs", String(id)));
  assert.ok(init);
  return init.pid;
}

function zygoteOf({ data }: TestServer): number {
  return Number(readFileSync(join(data, "zygote.pid"), "utf8"));
}

/** SIGSTOP, until the scope ends. */
function halted(pid: number): Disposable {
  const signal = (name: NodeJS.Signals) => isAlive(pid) && process.kill(pid, name);
  signal("SIGSTOP");
  return { [Symbol.dispose]: () => void signal("SIGCONT") };
}

/** What a Stop has to leave of a job whose supervisor cannot obey it. */
async function checkKilled(server: TestServer, id: bigint, members: readonly number[]): Promise<void> {
  assert.equal([members.filter(isAlive), groupsOf(server, id)], [[], []]);
  assert.is(readFileSync(join(server.data, "jobs", String(id), "state"), "utf8"), "FAILED\n");
  using podium = server.connect("alice");
  const { state, outcome } = await jobStatus(podium, id);
  assert.equal([state, outcome?.exitCode, outcome?.signal], ["FAILED", undefined, ""]);
  assert.match(outcome?.message ?? "", /supervisor was stopped on the host.* a stop by alice: it was killed/);
}

test(
  "L06 a Stop ends a job whose supervisor is stopped, with all of its processes, and no other job",
  root,
  async () => {
    using canary = new Canary();
    await using server = await TestServer.start();
    using podium = server.connect("alice");
    const [own, adopted, other] = [
      await startJob(podium, deaf),
      await startJob(podium, deaf),
      await startJob(podium, deaf),
    ];
    await server.kill();
    await server.start(); // no zygote tells of the end of those
    await until("connected again", () =>
      jobStatus(podium, own).then(
        () => true,
        () => false,
      ),
    );
    const late = await startJob(podium, deaf);
    const stopHalted = async (id: bigint, graceMs: number) => {
      const members = processesOf(server, id);
      assert.ok(members.length >= 2);
      using _init = halted(initOf(server, id));
      const from = performance.now();
      await stopJob(podium, id, { graceMs });
      assert.ok(performance.now() - from > graceMs, "no sooner than its grace");
      await checkKilled(server, id, members);
    };
    await Promise.all([stopHalted(own, 0), stopHalted(adopted, 700), stopHalted(late, 0)]);
    assert.is((await jobStatus(podium, other)).state, "RUNNING");
    assert.ok(canary.lives);
  },
);

/** Attaches to a process as a debugger does and stays until that ends. */
const debuggerOf = `
import ctypes, os, sys
pid, libc = int(sys.argv[1]), ctypes.CDLL(None, use_errno=True)
assert libc.ptrace(16, pid, 0, 0) == 0, os.strerror(ctypes.get_errno())
status = os.waitpid(pid, 0x40000000)[1]
print("attached", flush=True)
while os.WIFSTOPPED(status): status = os.waitpid(pid, 0x40000000)[1]
`;

test(
  "L06 a Stop ends a job whose supervisor a debugger holds, and one whose zygote is stopped with it",
  requires("root", "libseccomp", "python3"),
  async () => {
    await using server = await TestServer.start();
    using podium = server.connect("alice");
    const [traced, both] = [await startJob(podium, deaf), await startJob(podium, deaf)];
    const debugging = startProgram("python3", ["-c", debuggerOf, String(initOf(server, traced))], { input: "" });
    await debugging.sees("attached");
    assert.is(stateOf(initOf(server, traced)), "t");
    const members = [traced, both].map((id) => processesOf(server, id));
    using _zygote = halted(zygoteOf(server));
    using _init = halted(initOf(server, both));
    await Promise.all([traced, both].map((id) => stopJob(podium, id, { graceMs: 0 })));
    for (const [i, id] of [traced, both].entries()) await checkKilled(server, id, members[i] ?? []);
    assert.is((await debugging.ended).code, 0);
  },
);

test("a supervisor that only pauses ends its job itself, however late, with a true record", root, async () => {
  await using server = await TestServer.start();
  using podium = server.connect("alice");
  const id = await startJob(
    podium,
    StartRequest.create({ cmd: "trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.1; done" }),
  );
  await until("its trap", () => readFileSync(join(server.data, "jobs", String(id), "stdout"), "utf8") === "ready\n");
  const init = initOf(server, id);
  const stopping = stopJob(podium, id, { graceMs: 1000 });
  for (let pause = 0; pause < 4; pause++) {
    await sleep(100);
    using _pause = halted(init);
    await sleep(900);
  }
  await stopping;
  const { outcome } = await jobStatus(podium, id);
  assert.equal([outcome?.cause, outcome?.exitCode, outcome?.by], ["STOPPED", 9, "alice"]);
  assert.is(readFileSync(join(server.data, "jobs", String(id), "stdout"), "utf8"), "ready\nbye\n");
});

test(
  "a Start that a stopped zygote does not read is refused in the end, never runs, and the next one works",
  root,
  async () => {
    using shared = temporaryFolder();
    const folders = [{ path: tmpdir(), users: ["*"], write: true }];
    await using server = await TestServer.start({ config: { folders } });
    using podium = server.connect("alice");
    const running = await startJob(podium, deaf);
    const zygote = zygoteOf(server);
    const witness = join(shared.path, "ran");
    {
      using _zygote = halted(zygote);
      const args = ["run", "-v", `${shared.path}::/w:rw`, "--", "touch", "/w/ran"];
      const { code, stderr } = await server.podium("alice", args);
      assert.equal([code, /stopped on the host .*start the job again/.test(stderr)], [125, true], stderr);
    }
    await until("another zygote", () => zygoteOf(server) !== zygote);
    assert.not.ok(isAlive(zygote));
    assert.is((await server.podium("alice", ["run", "--", "sh", "-c", "exit 3"])).code, 3);
    assert.not.ok(existsSync(witness));
    assert.is((await jobStatus(podium, running)).state, "RUNNING");
    using _zygote = halted(zygoteOf(server));
    await server.stop(); // waits for no zygote that cannot end
    await server.start();
    assert.is((await jobStatus(podium, running)).state, "RUNNING");
  },
);

test(
  "a Start that a stopped ready-made init does not take is served by another, and no running job pays",
  root,
  async () => {
    await using server = await TestServer.start();
    using podium = server.connect("alice");
    const running = await startJob(podium, deaf);
    await until("ready-made jobs", () => childrenOf(zygoteOf(server)).length >= 3);
    const halts = childrenOf(zygoteOf(server)).map(halted);
    try {
      assert.is((await server.podium("alice", ["run", "--", "sh", "-c", "exit 3"])).code, 3);
      assert.is(stateOf(initOf(server, running)), "T");
    } finally {
      for (const halt of halts) halt[Symbol.dispose]();
    }
    assert.is((await jobStatus(podium, running)).state, "RUNNING");
  },
);
