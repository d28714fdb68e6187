// Ready-made jobs: each is used once, and nothing of them outlives their zygote.
import { existsSync, readFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import * as assert from "uvu/assert";
import { membersOf } from "../../sandbox/cgroup/placement.ts";
import { childrenOf, living } from "../support/processes.ts";
import { initsOf, isReadyMade, readyGroups, whenReady } from "../support/ready-jobs.ts";
import { TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("ready-made jobs", { testSeconds: 300 });
const needs = requires("root", "libseccomp");

test("a plain job takes a ready one, each one once, and the place is filled again", needs, async () => {
  await using zygote = await TestZygote.open({ readyJobs: 4 });
  const seen = new Set<string>();
  for (let n = 0; n < 12; n++) {
    await whenReady(zygote, 2);
    const job = await zygote.start({ argv: ["sh", "-c", `echo ${n}; exit ${n}`], hostname: `job-${n}` });
    assert.ok(isReadyMade(job), `${job.group} is a ready-made one's`);
    assert.not.ok(seen.has(job.group), "never used before");
    seen.add(job.group);
    assert.is(readFileSync(`${job.folder}/group`, "utf8").split("\n")[0], job.group);
    const { record, stdout } = await job.finished;
    assert.equal([record.cause, record.exitCode, stdout], ["EXITED", n, `${n}\n`]);
    assert.not.ok(readyGroups(zygote).includes(job.group), "its group goes with it");
  }
});

const look =
  "cat /etc/hostname /etc/hosts /etc/passwd; hostname; id; pwd; env | sort; ls -ld /tmp /var/tmp $HOME; touch $HOME/a /tmp/b && echo w; touch /etc/x 2>&1; " +
  "cat /proc/self/status | grep -E '^(Cap|NoNewPrivs|Seccomp:|Sig)'; cat /proc/self/mountinfo | cut -d' ' -f5-6 | sort; ls -l /proc/self/fd | wc -l; ulimit -a; cat /proc/self/cgroup | sed 's/ready-[0-9-]*/G/; s#/1$#/G#'; nice; umask";

test(
  "a job sees nothing of it: the same view, rights, limits and mounts as one that is made for its request",
  needs,
  async () => {
    await using fresh = await TestZygote.open();
    await using ready = await TestZygote.open({ readyJobs: 4 });
    for (const user of [
      { uid: 0, gid: 0 },
      { uid: 1000, gid: 1001 },
    ]) {
      const request = {
        argv: ["sh", "-c", look],
        hostname: "same",
        user,
        tmpfs: [{ target: "/mnt", sizeBytes: 1 << 20 }],
      };
      await whenReady(ready, 1);
      const [one, two] = [await fresh.start(request), await ready.start(request)];
      assert.equal([isReadyMade(one), isReadyMade(two)], [false, true]);
      assert.is((await two.finished).stdout, (await one.finished).stdout);
    }
  },
);

test("limits, stdin, deadline and a failed start are those of the request", needs, async () => {
  await using zygote = await TestZygote.open({ readyJobs: 4 });
  await whenReady(zygote, 1);
  const limited = await zygote.start({ argv: ["sleep", "100"], pids: 7, memoryBytes: 64 << 20, timeoutMs: 2500 });
  assert.ok(isReadyMade(limited));
  assert.is(readFileSync(`${zygote.groupOf(limited.group, "pids")}/pids.max`, "utf8"), "7\n");
  const memory = zygote.groupOf(limited.group, "memory");
  const file = existsSync(`${memory}/memory.max`) ? "memory.max" : "memory.limit_in_bytes";
  assert.is(readFileSync(`${memory}/${file}`, "utf8"), `${64 << 20}\n`);
  assert.is((await limited.finished).record.cause, "TIMEOUT");
  await whenReady(zygote, 1);
  const fed = await zygote.start({ argv: ["cat"], stdin: true });
  const control = await fed.control();
  control.input(Buffer.from("hello"));
  control.inputEnd();
  assert.is((await fed.finished).stdout, "hello");
  await whenReady(zygote, 1);
  const { record } = await zygote.run(["/no/such/program"]);
  assert.equal([record.cause, record.step, record.errno], ["START_FAILED", "find", "ENOENT"]);
});

test("a job that does not fit is made for its request", needs, async () => {
  await using zygote = await TestZygote.open({ readyJobs: 4 });
  await whenReady(zygote, 2);
  for (const request of [
    { grants: [{ source: "/usr/share", target: "/share", writable: false }] },
    { memoryBytes: 8 << 20 },
    { env: [`LONG=${"x".repeat(100_000)}`] },
  ] as const) {
    const job = await zygote.start({ argv: ["sh", "-c", "exit 5"], ...request });
    assert.not.ok(isReadyMade(job));
    assert.is((await job.finished).record.exitCode, 5);
  }
});

test("one that has died is replaced and never handed out", needs, async () => {
  await using zygote = await TestZygote.open({ readyJobs: 4 });
  await whenReady(zygote, 2);
  const dead = readyGroups(zygote);
  const [first = 0, second = 0] = dead.flatMap((name) => membersOf(zygote.groupOf(name, "pids")));
  const init = initsOf(zygote.client.pid).find((pid) => childrenOf(pid).includes(second)) ?? 0;
  const killed = [first, init]; // the command's process of one, the init of another
  for (const pid of killed) process.kill(pid, "SIGKILL");
  await until("they are dead", () => !killed.some(living));
  for (let n = 0; n < 6; n++) {
    const job = await zygote.start({ argv: ["sh", "-c", "exit 6"] });
    assert.not.ok(dead.slice(0, 2).includes(job.group));
    assert.is((await job.finished).record.exitCode, 6);
  }
  await whenReady(zygote, 2);
  const left = () => readyGroups(zygote).filter((name) => dead.slice(0, 2).includes(name));
  await until("its group is gone, also that of a killed init", () => left().length === 0);
});

/** Field 19 of proc_pid_stat(5); null: it has ended. */
function niceOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
  } catch {
    return null;
  }
}

test("they are made at the lowest priority, and wait and run at the usual one", needs, async () => {
  await using zygote = await TestZygote.open({ readyJobs: 4 });
  const { pid } = zygote.client;
  let seen = false;
  const look = () => {
    for (const init of initsOf(pid)) seen ||= niceOf(init) === 19;
    return seen;
  };
  // One is being made for some milliseconds, again and again: each that is used is replaced.
  await until("an init that makes a job ready lets others go first", async () => {
    const job = await zygote.start({ argv: ["true"] });
    await job.finished;
    for (const from = performance.now(); performance.now() - from < 100 && !look(); ) await setImmediate();
    return seen;
  });
  await whenReady(zygote, 2);
  const waiting = readyGroups(zygote).flatMap((name) => membersOf(zygote.groupOf(name, "pids")));
  for (const each of [...initsOf(pid), ...waiting]) assert.is(niceOf(each), niceOf(pid));
  const job = await zygote.start({ argv: ["nice"] });
  assert.ok(isReadyMade(job));
  assert.is((await job.finished).stdout, "0\n");
});

test("a killed zygote leaves no ready init, process or group", needs, async () => {
  await using zygote = await TestZygote.open({ readyJobs: 6 });
  await whenReady(zygote, 2);
  const inits = initsOf(zygote.client.pid);
  const commands = readyGroups(zygote).flatMap((name) => membersOf(zygote.groupOf(name, "pids")));
  assert.ok(inits.length >= 2 && commands.length >= 2);
  process.kill(zygote.client.pid, "SIGKILL");
  await until("they have ended", () => ![...inits, ...commands].some(living));
  await until("their groups are gone", () => readyGroups(zygote).length === 0);
});

test("a zygote that ends in order waits for them; a job that runs is let run", needs, async () => {
  await using zygote = await TestZygote.open({ readyJobs: 6 });
  await whenReady(zygote, 2);
  const job = await zygote.start({ argv: ["sh", "-c", "sleep 1000; exit 3"], bound: false });
  assert.ok(isReadyMade(job));
  await whenReady(zygote, 2);
  const inits = initsOf(zygote.client.pid).filter((pid) => pid !== job.initPid);
  await zygote.client.close();
  assert.equal(inits.filter(living), []);
  assert.equal(readyGroups(zygote), [job.group]);
  for (const sleeper of childrenOf(job.pid)) process.kill(sleeper, "SIGTERM");
  await until("it ends by itself", () => existsSync(`${job.folder}/exit.json`));
  assert.is(JSON.parse(readFileSync(`${job.folder}/exit.json`, "utf8")).exitCode, 3);
  await until("its init goes", () => !living(job.initPid));
  await until("and its group", () => readyGroups(zygote).length === 0);
});

test("1,000 jobs 16 at a time through a pool: none fails, no output is crossed, nothing is left", needs, async () => {
  await using zygote = await TestZygote.open({ readyJobs: 32 });
  let [next, readyMade] = [0, 0];
  const worker = async () => {
    for (let n = next++; n < 1000; n = next++) {
      const job = await zygote.start({ argv: ["sh", "-c", `echo ${n}; exit ${n % 7}`] });
      if (isReadyMade(job)) readyMade++;
      const { record, stdout } = await job.finished;
      assert.equal([record.cause, record.exitCode, stdout], ["EXITED", n % 7, `${n}\n`]);
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  console.log(`${readyMade} of 1,000 were ready-made`);
  assert.ok(readyMade > 0);
  await zygote.client.close();
  await until("no group is left", () => readyGroups(zygote).length === 0);
});
