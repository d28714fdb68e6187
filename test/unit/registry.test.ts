import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { Data } from "../../src/jobs/data.ts";
import type { JobMeta } from "../../src/jobs/folder.ts";
import { isBeyond, lostRecord, Registry } from "../../src/jobs/registry.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("registry");

function dataIn(path: string): Data {
  const file = (name: string) => join(path, name);
  mkdirSync(file("jobs"), { recursive: true });
  const rest = {
    stage: file("stage"),
    readyFolders: file("ready"),
    zygotePid: file("zygote.pid"),
    cgroupPlan: file("cgroup.json"),
    uploads: file("uploads"),
    trash: file("trash"),
    homes: file("home"),
  };
  return { path, id: "00c0ffee", jobs: file("jobs"), ...rest };
}

function metaFor(user: string, name = "") {
  const limits = { cpus: 0, memoryBytes: 0, ioBytesPerSecond: 0, pids: 0 };
  return (id: number): JobMeta => ({
    id,
    name,
    user,
    createdAtMs: 1,
    command: ["true"],
    limits,
    timeoutMs: 0,
    output: { bytes: 0, kill: false },
    stdin: false,
  });
}

const alice = { user: "alice", seesAll: false };
const bob = { user: "bob", seesAll: false };
const admin = { user: "admin", seesAll: true };

test("an accepted job has a folder of mode 0700 that says RUNNING", () => {
  using folder = temporaryFolder();
  const registry = new Registry(dataIn(folder.path));
  const job = registry.create(metaFor("alice"), "alice", "");
  assert.is(statSync(job.folder).mode & 0o777, 0o700);
  assert.is(readFileSync(join(job.folder, "state"), "utf8"), "RUNNING\n");
  assert.equal(readdirSync(job.folder).sort(), ["job.json", "state", "stderr", "stdout"]);
});

test("L05 jobs of others are not found, with the words for unknown ones", () => {
  using folder = temporaryFolder();
  const registry = new Registry(dataIn(folder.path));
  const job = registry.create(metaFor("alice"), "alice", "");
  assert.is(registry.find(1n, alice), job);
  assert.is(registry.find(1n, admin), job);
  assert.throws(() => registry.find(1n, bob), /^there is no job 1$/);
  const unknown = [0n, -1n, 2n, 2n ** 63n - 1n, 2n ** 64n + 1n];
  for (const id of unknown) assert.throws(() => registry.find(id, admin), new RegExp(`^there is no job ${id}$`));
  assert.equal(registry.list(bob), []);
  assert.equal(registry.list(admin), [job]);
});

test("a name is one job's of a user until that job is removed", () => {
  using folder = temporaryFolder();
  const registry = new Registry(dataIn(folder.path));
  const job = registry.create(metaFor("alice", "web"), "alice", "web");
  assert.throws(() => registry.create(metaFor("alice", "web"), "alice", "web"), /belongs to job 1/);
  assert.is(registry.create(metaFor("bob", "web"), "bob", "web").id, 2, "a refused start has used no id");
  assert.throws(() => registry.remove(job), /^job 1 is still running; stop it first$/);
  job.finish(lostRecord(job));
  registry.remove(job);
  assert.not(existsSync(job.folder));
  assert.is(registry.create(metaFor("alice", "web"), "alice", "web").id, 3);
});

test("a new server finds jobs, names and outcomes again, and clears half-made folders", () => {
  using folder = temporaryFolder();
  const data = dataIn(folder.path);
  const first = new Registry(data);
  const [done, running] = [1, 2].map((n) => first.create(metaFor("alice", `n${n}`), "alice", `n${n}`));
  if (done === undefined || running === undefined) throw new Error("no jobs");
  writeFileSync(join(done.folder, "exit.json"), JSON.stringify({ ...lostRecord(done), cause: "EXITED", exitCode: 3 }));
  writeFileSync(join(running.folder, "pid"), "4711\n");
  utimesSync(join(running.folder, "pid"), 5, 5);
  mkdirSync(join(data.jobs, "3"));
  writeFileSync(join(data.jobs, "3", "job.json"), "{");
  mkdirSync(join(data.jobs, "lost+found"));

  const second = new Registry(data);
  assert.equal(
    second.list(admin).map(({ id }) => id),
    [1, 2],
  );
  assert.is(second.find(1n, alice).outcome?.exitCode, 3);
  assert.equal(
    second.running().map(({ id, pid, startedAtMs }) => [id, pid, startedAtMs]),
    [[2, 4711, 5000]],
  );
  assert.throws(() => second.create(metaFor("alice", "n2"), "alice", "n2"), /belongs to job 2/);
  assert.equal(readdirSync(data.jobs).sort(), ["1", "2", "lost+found"]);
  assert.ok(second.create(metaFor("alice"), "alice", "").id > 3);
});

test("jobs that another DATA started are not this one's, whether they run or wait", () => {
  using folder = temporaryFolder();
  const data = dataIn(folder.path);
  const first = new Registry(data);
  const [running, waiting] = [null, {}].map((queued) => first.create(metaFor("alice"), "alice", "", queued));
  assert.equal(
    [running, waiting].map((job) => job?.meta.data),
    [data.id, data.id],
  );
  assert.equal(
    new Registry(data).all().map((job) => [job.queued, isBeyond(job)]),
    [
      [false, false],
      [true, false],
    ],
  );
  const copy = new Registry({ ...data, id: "0ddba11e" });
  assert.equal(
    copy.all().map((job) => [job.queued, isBeyond(job)]),
    [
      [false, true],
      [false, true],
    ],
  );
  assert.is(lostRecord(copy.find(1n, alice)).message, "it was started in the DATA that this one is a copy of");
});

test("a folder of a job that ran is never removed for its job.json, which may be damaged", () => {
  using folder = temporaryFolder();
  const data = dataIn(folder.path);
  const first = new Registry(data);
  const [ran, removing] = [1, 2].map(() => first.create(metaFor("alice"), "alice", ""));
  if (ran === undefined || removing === undefined) throw new Error("no jobs");
  for (const job of [ran, removing]) writeFileSync(join(job.folder, "pid"), "4711\n");
  writeFileSync(join(ran.folder, "stdout"), "precious\n");
  writeFileSync(join(ran.folder, "job.json"), "");
  rmSync(join(removing.folder, "job.json"));
  const second = new Registry(data);
  assert.equal([second.list(admin), second.unreadable], [[], [ran.folder]]);
  assert.is(readFileSync(join(ran.folder, "stdout"), "utf8"), "precious\n");
  assert.equal(readdirSync(data.jobs), ["1"]);
  assert.is(second.create(metaFor("alice"), "alice", "").id > 2, true);
});

test("a folder that cannot be made leaves no job behind", () => {
  using folder = temporaryFolder();
  const data = dataIn(folder.path);
  const registry = new Registry(data);
  mkdirSync(join(data.jobs, "1"));
  assert.throws(() => registry.create(metaFor("alice", "web"), "alice", "web"), /EEXIST/);
  assert.equal(registry.list(admin), []);
  assert.is(registry.create(metaFor("alice", "web"), "alice", "web").id, 2);
});

test("those who wait for a job's end hear of it once, or leave without a trace", async () => {
  using folder = temporaryFolder();
  const registry = new Registry(dataIn(folder.path));
  const job = registry.create(metaFor("alice"), "alice", "");
  const gone = new AbortController();
  const [leaving, staying] = [job.ended(gone.signal), job.ended()];
  gone.abort();
  await leaving;
  assert.is(job.outcome, null);
  job.finish(lostRecord(job));
  await staying;
  await job.ended();
  await job.ended(gone.signal);
});
