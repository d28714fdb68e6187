// podium, its zygote or its init killed in the middle: the job ends or is told of, and the next run sweeps what is left.
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { familyOf, living } from "../support/processes.ts";
import { runSandbox, startSandbox, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { until } from "../support/until.ts";

const test = suite("podium sandbox: killed in the middle");
const needs = requires("root", "libseccomp");

const deaf = ["--", "sh", "-c", "trap '' TERM INT HUP; echo ready; setsid sleep 100 & sleep 100"];

/** Names of the throw-away DATA of running and of killed podiums. */
function scratchFolders(): string[] {
  return readdirSync("/run/podium").filter((name) => name.startsWith("local-"));
}

/** The throw-away DATA of a running podium, which holds its lock. */
function scratchFolderOf(pid: number): string {
  const lock = openFiles(pid).find((path) => /^\/run\/podium\/local-[^/]+\/lock$/.test(path));
  if (lock === undefined) throw new Error("podium holds no lock");
  return dirname(lock);
}

function openFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return []; // closed meanwhile
    }
  });
}

/** A running job, its processes, its scratch folder and its control groups. */
async function victim() {
  const job = startSandbox(deaf, { input: "" });
  await job.sees("ready");
  const folder = scratchFolderOf(job.pid);
  const plan = JSON.parse(readFileSync(`${folder}/cgroup.json`, "utf8")) as { roots?: object; root?: string };
  const groups = plan.root === undefined ? (Object.values(plan.roots ?? {}) as string[]) : [plan.root];
  return { job, folder, groups, ...familyOf(job.pid) };
}

test("a podium killed with SIGKILL: its job ends, and the next run sweeps what is left", needs, async () => {
  const { job, folder, groups, zygote, init, command } = await victim();
  process.kill(job.pid, "SIGKILL");
  await job.ended;
  await until("the job ends with its podium", () => ![zygote, init, command].some(living));
  assert.ok(existsSync(folder));
  assert.is((await runSandbox(["true"])).code, 0);
  assert.not.ok(existsSync(folder));
  assert.equal(groups.filter(existsSync), []);
});

test("podium, zygote and init killed at once: the next run ends and sweeps all of it", needs, async () => {
  const { job, folder, groups, zygote, init, command } = await victim();
  for (const pid of [job.pid, zygote, init]) process.kill(pid, "SIGKILL");
  await job.ended;
  await until("the end of pid 1 ends its namespace", () => !living(command));
  assert.is((await runSandbox(["true"])).code, 0);
  assert.not.ok(existsSync(folder));
  assert.equal(groups.filter(existsSync), []);
});

test("an init that is killed takes the job along: cause LOST, exit code 125, nothing left", needs, async () => {
  const { job, folder, groups, init, command } = await victim();
  process.kill(init, "SIGKILL");
  const { code, stderr } = await job.ended;
  assert.equal([code, stderr], [125, "podium: LOST: its supervisor was killed\n"]);
  assert.not.ok(living(command));
  assert.not.ok(existsSync(folder));
  assert.equal(groups.filter(existsSync), []);
});

test("a zygote that is killed costs a running job nothing: output, signals, stdin and exit code", needs, async () => {
  const script =
    "trap 'echo usr1' USR1; echo ready; until read line; do :; done; echo got $line; sleep 0.3; echo last; exit 9";
  const job = startSandbox(["--", "sh", "-c", script]);
  await job.sees("ready");
  process.kill(familyOf(job.pid).zygote, "SIGKILL");
  await sleep(300);
  process.kill(job.pid, "SIGUSR1");
  await job.sees("usr1");
  job.child.stdin?.write("a line\n");
  const { code, stdout, stderr } = await job.ended;
  assert.equal([code, stdout.toString(), stderr], [9, "ready\nusr1\ngot a line\nlast\n", ""]);
});

test("a zygote killed while its job has closed its output: the job goes on to its end", needs, async () => {
  const job = startSandbox(["--", "sh", "-c", "echo ready; exec >&- 2>&-; sleep 1; exit 6"], { input: "" });
  await job.sees("ready");
  process.kill(familyOf(job.pid).zygote, "SIGKILL");
  assert.is((await job.ended).code, 6);
});

test("a command killed from the host ends its job in order", needs, async () => {
  const { job, command } = await victim();
  process.kill(command, "SIGKILL");
  const { code, stderr } = await job.ended;
  assert.equal([code, stderr], [137, "podium: SIGNALED: ended by SIGKILL\n"]);
});

test("podiums killed at any moment of their start leave nothing that the next run does not sweep", needs, async () => {
  const before = scratchFolders();
  const made = new Set<string>();
  const began = performance.now();
  assert.is((await runSandbox(["true"])).code, 0);
  const wholeMs = performance.now() - began;
  for (let part = 0.2; part <= 1.2; part += 0.05) {
    const job = startSandbox(["--", "sleep", "100.25"], { input: "" });
    await sleep(part * wholeMs);
    process.kill(job.pid, "SIGKILL");
    await job.ended;
    for (const name of scratchFolders()) if (!before.includes(name)) made.add(name);
  }
  await until("all jobs have ended", () => !readdirSync("/proc").some((pid) => commandOf(pid) === "sleep 100.25 "));
  assert.ok(made.size > 0);
  assert.is((await runSandbox(["true"])).code, 0);
  assert.equal(
    scratchFolders().filter((name) => made.has(name)),
    [],
  );
});

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

test("jobs outlive a killed zygote, and those that were being started are told of", needs, async () => {
  await using zygote = await TestZygote.open();
  const job = await zygote.start({ argv: ["sh", "-c", "sleep 1.5; echo done; exit 3"], bound: false });
  const control = await job.control();
  const closed = new Promise((resolve) => control.socket.once("close", resolve));
  const starts = Array.from({ length: 8 }, () => zygote.start({ argv: ["sleep", "0.3"] }));
  process.kill(zygote.client.pid, "SIGKILL");
  const outcomes = await Promise.allSettled(starts);
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") assert.match(outcome.reason.message, /the process that starts jobs died/);
  }
  await closed;
  const record = JSON.parse(readFileSync(`${job.folder}/exit.json`, "utf8"));
  assert.equal([record.cause, record.exitCode], ["EXITED", 3]);
  assert.is(readFileSync(`${job.folder}/stdout`, "utf8"), "done\n");
  await sleep(500);
});

test("a start after the zygote's death is refused at once instead of waiting for ever", needs, async () => {
  await using zygote = await TestZygote.open();
  process.kill(zygote.client.pid, "SIGKILL");
  await until("the zygote is dead", () => !living(zygote.client.pid));
  await sleep(100);
  const error = await zygote.start({ argv: ["true"] }).then(
    () => null,
    (reason: Error) => reason,
  );
  assert.match(error?.message ?? "", /the process that starts jobs died/);
});
