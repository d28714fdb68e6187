import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { Cause, State } from "../../src/gen/podium.ts";
import { groupsOf } from "../integration/job-traces.ts";
import { LiveServer, until } from "../integration/live-server.ts";
import { unmounted } from "../support/mounts.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("a full disk");

/** Runs `body` with a server whose DATA is a small file system of its own. */
async function onSmallDisk(size: string, body: (server: LiveServer) => Promise<void>): Promise<void> {
  await using server = await LiveServer.start();
  await server.stop();
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size},mode=0700`, "podium-test", server.data]);
  assert.is(mounted.status, 0, String(mounted.stderr));
  try {
    await server.restart();
    await body(server);
    await server.stop();
  } finally {
    await server.kill();
    await unmounted(server.data);
  }
  await server.restart();
}

test(
  "H02 on a full disk every state is true, other jobs go on, and the loss is told",
  requires("root", "libseccomp"),
  async () => {
    await onSmallDisk("12m", async (server) => {
      const api = server.api();
      const tell = "do echo o; echo e >&2; sleep 0.01; i=$((i+1)); done";
      const wait = 'until [ "$full" ]; do sleep 0.05; done';
      const told = `i=0; while [ $i -lt 50 ]; ${tell}; ${wait}; while [ $i -lt 250 ]; ${tell}; exit 5`;
      const talker = await api.startId(`trap 'full=1' USR1; ${told}`);
      const quiet = await api.startId(`trap 'full=1' USR1; echo ready; ${wait}; exit 0`);
      const begun = () => server.jobFile(talker, "stderr").length === 100 && server.jobFile(quiet, "stdout") !== "";
      await until("both have begun", begun);
      const flood = await api.startId("exec yes");
      const full = await api.wait(flood);
      assert.equal([full.state, full.outcome?.signal], [State.FAILED, "SIGPIPE"]);
      assert.match(full.outcome?.message ?? "", /its output was cut off \(stdout: ENOSPC\)/);
      assert.is(server.jobFile(flood, "state"), "FAILED\n");
      const fill = (name: string) => {
        const { stderr } = spawnSync("dd", ["if=/dev/zero", `of=${join(server.data, name)}`, "bs=4k"]);
        assert.match(String(stderr), /No space left/);
      };
      fill("filler");
      process.kill(Number(server.jobFile(quiet, "pid")), "SIGUSR1");
      const ended = await api.wait(quiet);
      fill("filler2"); // what it had kept only while it ran made room
      process.kill(Number(server.jobFile(talker, "pid")), "SIGUSR1");
      const following = api.output({ id: talker });
      const talked = await api.wait(talker);
      assert.equal([talked.outcome?.cause, talked.outcome?.exitCode], [Cause.EXITED, 5]);
      assert.equal([ended.outcome?.exitCode, ended.state], [0, State.COMPLETED]);
      assert.equal([server.jobFile(talker, "state"), server.jobFile(quiet, "state")], ["FAILED\n", "COMPLETED\n"]);
      const { stdout, stderr } = await following;
      assert.is(String(stdout), "o\n".repeat(250));
      assert.is(String(stderr), "e\n".repeat(250));
      const folder = join(server.data, "jobs", String(talker));
      assert.not.ok(existsSync(join(folder, "log-index")), "its index had no room; its output did");
      assert.equal(
        [flood, talker, quiet].flatMap((id) => groupsOf(server, id)),
        [],
      );
      await server.kill();
      await server.restart();
      const again = server.api();
      assert.equal((await again.info(talker)).outcome, talked.outcome);
      assert.equal((await again.info(quiet)).outcome, ended.outcome);
      spawnSync("rm", [join(server.data, "filler"), join(server.data, "filler2")]);
      await again.remove(flood);
      assert.is((await again.wait(await again.startId("exit 4"))).outcome?.exitCode, 4);
    });
  },
);

test("H02 a limited flood never fills the disk that its limit fits on", requires("root", "libseccomp"), async () => {
  await onSmallDisk("12m", async (server) => {
    const api = server.api();
    const id = await api.startId({ argv: ["yes"], outputLimit: 4n << 20n });
    const file = join(server.data, "jobs", String(id), "stdout");
    await until("a flood", () => statSync(file).size > 100 << 20);
    assert.ok(statSync(file).blocks * 512 < 7 << 20);
    assert.is((await api.wait(await api.startId("exit 6"))).outcome?.exitCode, 6);
    await api.stop({ id, graceMs: 0n });
    assert.is((await api.info(id)).outcome?.cause, Cause.STOPPED);
  });
});
