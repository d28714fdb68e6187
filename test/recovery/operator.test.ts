// What an operator does to a server and its DATA by mistake: jobs are not lost by it, and nothing hangs.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { isInterruption } from "../../src/client/call-failure.ts";
import { jobStatus, listJobs, waitForJob } from "../../src/client/jobs.ts";
import { startJob } from "../../src/client/start.ts";
import { stopJob } from "../../src/client/stop.ts";
import { StartRequest } from "../../src/gen/podium.ts";
import { groupsOf, processesOf } from "../integration/job-traces.ts";
import { isAlive, until } from "../integration/live-server.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("mistakes of an operator");
const root = requires("root", "libseccomp");

test("a job whose folder or socket was removed under it can be stopped, and others go on", root, async () => {
  await using server = await TestServer.start();
  using podium = server.connect("alice");
  const start = () => startJob(podium, StartRequest.create({ cmd: "trap '' TERM; setsid sleep 1000 & sleep 1000" }));
  const [id, deaf, other] = [await start(), await start(), await start()];
  const members = processesOf(server, id);
  const groups = groupsOf(server, id);
  assert.ok(members.length >= 2);
  rmSync(join(server.data, "jobs", String(id)), { recursive: true });
  rmSync(join(server.data, "jobs", String(deaf), "control"));
  assert.equal([(await jobStatus(podium, id)).state, members.every(isAlive)], ["RUNNING", true], "as it is");
  const { code, stderr } = await server.podium("alice", ["stop", String(id), String(deaf)]);
  assert.is(code, 0, stderr);
  assert.equal([members.filter(isAlive), processesOf(server, deaf)], [[], []]);
  assert.is(readFileSync(join(server.data, "jobs", String(deaf), "state"), "utf8"), "FAILED\n");
  assert.equal(
    groups.filter((folder) => groupsOf(server, other).includes(folder)),
    [],
  );
  assert.is((await jobStatus(podium, id)).state, "FAILED");
  const ending = await startJob(podium, StartRequest.create({ cmd: "sleep 1; exit 5" }));
  rmSync(join(server.data, "jobs", String(ending), "control"));
  assert.is((await waitForJob(podium, ending)).outcome?.exitCode, 5);
  assert.is((await jobStatus(podium, other)).state, "RUNNING");
  assert.is((await server.podium("alice", ["run", "--", "sh", "-c", "exit 3"])).code, 3);
});

test("a lock file that was removed lets no second server in", root, async () => {
  await using server = await TestServer.start();
  rmSync(join(server.data, "lock"));
  const file = (name: string) => join(server.certs, name);
  const pair = ["--ca", file("ca.crt"), "--cert", file("server.crt"), "--key", file("server.key")];
  const args = ["serve", "--listen", "127.0.0.1:0", "--data", server.data, ...pair];
  const { code, stderr } = await server.podium("alice", args);
  assert.equal([code, /another podium server/.test(stderr)], [125, true], stderr);
});

test("on a disk without room a server ends in order, and the next one finds what runs", root, async () => {
  await using server = await TestServer.start();
  await server.stop();
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m,mode=0700", "podium-test", server.data]);
  assert.is(mounted.status, 0, String(mounted.stderr));
  try {
    await server.start();
    using podium = server.connect("alice");
    const id = await startJob(podium, StartRequest.create({ argv: ["sleep", "1000"] }));
    for (const end of ["stop", "kill"] as const) {
      spawnSync("dd", ["if=/dev/zero", `of=${join(server.data, "filler")}`, "bs=4k"], { stdio: "ignore" });
      await server[end]();
      await server.start();
      assert.is((await jobStatus(podium, id)).state, "RUNNING", `after ${end}`);
      rmSync(join(server.data, "filler"));
    }
    await server.stopJobs();
    await server.stop();
  } finally {
    await server.kill();
    spawnSync("umount", [server.data]);
  }
});

test(
  "queue, quotas and retention hold over kills of the server: each job runs once, two at a time, and goes in time",
  root,
  async () => {
    const config = {
      quotas: { perUser: { jobs: 2 } },
      queue: { size: 20 },
      retention: { perUser: { count: 3 }, atLeast: "5s" },
      folders: [{ path: tmpdir(), users: ["*"], write: true }],
    };
    await using server = await TestServer.start({ config });
    const witness = join(server.data, "..", "witness");
    mkdirSync(witness);
    using podium = server.connect("alice");
    const keys = Array.from({ length: 12 }, (_, n) => `job-${n}`);
    const grants = [{ source: witness, target: "/w", writable: true }];
    const start = (key: string) => {
      const cmd = `echo begin ${key} >> /w/log; sleep 0.4; echo end ${key} >> /w/log`;
      return startJob(podium, StartRequest.create({ cmd, grants, requestId: key, name: key }));
    };
    const started = keys.map(async (key) => {
      for (;;) {
        try {
          return await start(key);
        } catch (error) {
          if (!isInterruption(error)) throw error; // the server was away: ask again
          await sleep(50);
        }
      }
    });
    for (let kill = 0; kill < 3; kill++) {
      await sleep(500);
      await server.kill();
      await server.start();
    }
    const ids = await Promise.all(started);
    assert.is(new Set(ids).size, keys.length);
    const log = () => readFileSync(join(witness, "log"), "utf8").split("\n").filter(Boolean);
    await until("all have run", () => log().length >= 2 * keys.length, 30);
    assert.equal(log().toSorted(), keys.flatMap((key) => [`begin ${key}`, `end ${key}`]).toSorted());
    let atOnce = 0;
    for (const line of log()) {
      atOnce += line.startsWith("begin") ? 1 : -1;
      assert.ok(atOnce <= 2, `${atOnce} at once`);
    }
    const left = async () => {
      const jobs: bigint[] = [];
      for await (const { id } of listJobs(podium, { all: true })) jobs.push(id);
      return jobs;
    };
    await sleep(6000); // from now on none of them is kept for its age
    const last = await startJob(podium, StartRequest.create({ argv: ["true"] })); // its end is when the others are looked at
    await until("the oldest have gone", async () => (await left()).length === 3, 30);
    assert.ok((await left()).every((id) => id === last || ids.includes(id)));
  },
);

test("an id of DATA that was removed under running jobs is the old one again after a restart", root, async () => {
  await using server = await TestServer.start();
  using podium = server.connect("alice");
  const id = await startJob(podium, StartRequest.create({ argv: ["sleep", "1000"] }));
  const [file, groups] = [join(server.data, "id"), groupsOf(server, id)];
  const own = readFileSync(file, "utf8");
  rmSync(file);
  await server.kill();
  await server.start();
  assert.is(readFileSync(file, "utf8"), own);
  assert.is((await jobStatus(server.connect("alice"), id)).state, "RUNNING");
  rmSync(file);
  rmSync(join(server.data, "place"));
  await server.kill();
  const refused = await server.start().catch((error: Error) => error.message);
  assert.match(
    refused ?? "",
    /id: is missing, and \S+\/jobs\/1, which was started under the id [0-9a-f]{8}, has not ended/,
  );
  const [, mend = ""] = /(echo [0-9a-f]{8} > \S+\/id) where/.exec(refused ?? "") ?? [];
  assert.is(spawnSync("sh", ["-c", mend]).status, 0);
  await server.start();
  assert.is((await jobStatus(server.connect("alice"), id)).state, "RUNNING");
  assert.equal(groupsOf(server, id), groups);
});

/** First host id of a running job. */
function idBaseOf(server: TestServer, id: bigint): string {
  const pid = readFileSync(join(server.data, "jobs", String(id), "pid"), "utf8").trim();
  return /^\s*0\s+(\d+)/.exec(readFileSync(`/proc/${pid}/uid_map`, "utf8"))?.[1] ?? "";
}

test(
  "with /run/podium removed nothing starts that could share ids with what runs, and a restart heals",
  root,
  async () => {
    // So few ranges that every one of them is given out.
    await using server = await TestServer.start({ config: { ids: { first: 0x7e000000, ranges: 6 } } });
    using podium = server.connect("alice");
    const sleeper = StartRequest.create({ argv: ["sleep", "1000"] });
    const running = [await startJob(podium, sleeper), await startJob(podium, sleeper)];
    rmSync("/run/podium", { recursive: true });
    const refused = await server.podium("alice", ["run", "--", "true"]);
    assert.equal(
      [refused.code, /\/run\/podium\/ids was removed .*; restart the server/.test(refused.stderr)],
      [125, true],
    );
    await stopJob(podium, running.pop() ?? 0n);
    await server.kill();
    await server.start();
    const again = server.connect("alice");
    const bases = new Set<string>();
    for (let full = false; !full; ) {
      const started = await startJob(again, sleeper).catch((error: Error) => error.message);
      full = typeof started === "string";
      if (typeof started === "string") assert.match(started, /id ranges .* are in use/);
      else running.push(started);
    }
    for (const id of running) bases.add(idBaseOf(server, id));
    assert.equal([running.length, bases.size], [6, 6]);
    const [kept = 0n, another = 0n] = running;
    await stopJob(again, kept, { signal: "KILL" });
    await stopJob(again, another, { signal: "KILL" });
    await startJob(again, sleeper);
    await startJob(again, sleeper);
    await server.stopJobs();
    await server.stop();
    await server.start();
    assert.is((await server.podium("alice", ["run", "--", "sh", "-c", "exit 3"])).code, 3);
  },
);
