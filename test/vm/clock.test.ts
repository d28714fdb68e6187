// The wall clock is set forwards and backwards under a server and its jobs; runs in the virtual machine, whose clock is the
// tests' own (scripts/vm.mjs).
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { issueUser, openAuthority } from "../../src/certs/authority.ts";
import type { Podium } from "../../src/client/connect.ts";
import { connectionFor } from "../../src/client/credentials.ts";
import { jobStatus, listJobs, waitForJob } from "../../src/client/jobs.ts";
import { followLogs, type LogSelection, logsOf } from "../../src/client/logs.ts";
import { loadProfile } from "../../src/client/profile.ts";
import { startJob } from "../../src/client/start.ts";
import { stopJob } from "../../src/client/stop.ts";
import { StartRequest } from "../../src/gen/podium.ts";
import { Api } from "../integration/api-client.ts";
import { until } from "../integration/live-server.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("the clock is set", { testSeconds: 60, timeoutSeconds: 90 });
const minute = 60_000;
const hour = 60 * minute;

/** The machine's clock: off by what is asked until the scope ends. */
class Clock implements Disposable {
  readonly #ahead = Date.now() - performance.now();

  set(offsetMs: number): void {
    execFileSync("date", ["-u", "-s", `@${((this.#ahead + performance.now() + offsetMs) / 1000).toFixed(3)}`]);
  }

  [Symbol.dispose](): void {
    this.set(0);
  }
}

/** Seconds of the clock that nobody can set. */
function seconds(sinceMs: number): number {
  return (performance.now() - sinceMs) / 1000;
}

async function textOf(podium: Podium, id: bigint, selection: LogSelection = {}): Promise<string> {
  let all = "";
  for await (const { bytes } of logsOf(podium, id, selection)) all += bytes;
  return all;
}

/** Its supervisor is woken now and then, and looks what time it is. */
const ticking = "while :; do echo tick; sleep 0.2; done";

/** Starts a job with a timeout; afterwards, that it lasted. */
async function timed(podium: Podium, timeoutSeconds: number): Promise<() => Promise<void>> {
  const from = performance.now();
  const timeoutMs = BigInt(timeoutSeconds * 1000);
  const id = await startJob(podium, StartRequest.create({ cmd: ticking, timeoutMs }));
  return async () => {
    const { outcome, startedAt, finishedAt } = await waitForJob(podium, id);
    assert.is(outcome?.cause, "TIMEOUT");
    assert.ok(seconds(from) >= timeoutSeconds - 0.1, `a timeout of ${timeoutSeconds} s took ${seconds(from)} s`);
    assert.ok((finishedAt ?? 0) >= (startedAt ?? 0), "no end before its beginning");
  };
}

/** When the certificates were made. The client looks at dates too, and here the server is asked. */
const issued = new Date();

/** Whether a new connection with this profile may list jobs. */
async function isServed(profile: string): Promise<boolean> {
  const api = new Api(connectionFor(loadProfile({ profile }, {}, "/nonexistent"), issued));
  const served = await api.list().then(
    () => true,
    () => false,
  );
  api.close();
  return served;
}

/** A server, its clock, a user whose certificate is for a day, and a job that says a word for each sign it is given. */
interface Scene {
  readonly server: TestServer;
  readonly clock: Clock;
  readonly podium: Podium;
  readonly profile: string;
  readonly talker: bigint;
  sign(name: string): void;
}

const waits = (sign: string) => `while [ ! -e /signs/${sign} ]; do sleep 0.1; done`;
const talk = `echo before; ${waits("first")}; echo ahead; ${waits("second")}; echo behind; exit 7`;
const deaf = "trap '' TERM; echo ready; while :; do sleep 1; done";

function says(podium: Podium, id: bigint, text: string): Promise<void> {
  return until(text, async () => (await textOf(podium, id)).endsWith(text));
}

/** Whether retention has left the job. */
async function isKept(podium: Podium, id: bigint): Promise<boolean> {
  for await (const job of listJobs(podium, { all: true })) if (job.id === id) return true;
  return false;
}

async function jumpAhead({ clock, podium, profile, talker, sign }: Scene): Promise<bigint> {
  const old = await startJob(podium, StartRequest.create({ argv: ["true"] }));
  await waitForJob(podium, old);
  const stopped = await startJob(podium, StartRequest.create({ cmd: deaf }));
  await Promise.all([says(podium, talker, "before\n"), says(podium, stopped, "ready\n")]);
  const lasted = await timed(podium, 12);
  clock.set(30 * hour);
  const asked = performance.now();
  await stopJob(podium, stopped, { graceMs: 3000 });
  assert.ok(seconds(asked) >= 2.9, `a grace of 3 s took ${seconds(asked)} s`);
  sign("first");
  await says(podium, talker, "ahead\n");
  assert.is(await textOf(podium, talker, { since: { agoMs: hour } }), "ahead\n");
  assert.is(await textOf(podium, talker, { until: { agoMs: hour } }), "before\n");
  assert.not.ok(await isServed(profile), "it has expired");
  await lasted();
  await until("what is older than the server keeps has gone", async () => !(await isKept(podium, old)));
  assert.ok(await isKept(podium, stopped));
  return stopped;
}

async function jumpBack({ server, clock, podium, profile, talker, sign }: Scene): Promise<void> {
  const lasted = await timed(podium, 12);
  clock.set(-hour);
  assert.not.ok(await isServed(profile), "it is not valid yet");
  clock.set(-2 * minute); // certificates begin five minutes early
  await server.kill();
  await server.start();
  const stateOf = () =>
    jobStatus(podium, talker).then(
      ({ state }) => state,
      () => "not connected again yet",
    );
  await until("the new server knows the job", async () => (await stateOf()) === "RUNNING");
  sign("second");
  assert.is((await waitForJob(podium, talker)).outcome?.exitCode, 7);
  await lasted();
  const times: number[] = [];
  for await (const { time } of logsOf(podium, talker, { timestamps: true })) times.push(time?.getTime() ?? 0);
  assert.ok(
    times.length > 1 && times.every((time, i) => time >= (times[i - 1] ?? 0)),
    `in the log time goes on: ${times}`,
  );
}

test(
  "H04 the clock jumps ahead and back: timeout, grace, log, retention, certificates and a new server go by the clock they should",
  requires("root", "cgroup2", "libseccomp", "own-machine"),
  async () => {
    await using server = await TestServer.start({
      config: {
        folders: [{ path: tmpdir(), users: ["*"], write: true }],
        retention: { perUser: { age: "20h" }, atLeast: "1s" },
      },
    });
    using clock = new Clock();
    using signs = temporaryFolder();
    using podium = server.connect("alice");
    const short = { name: "short", role: "user", server: server.address, days: 1, replace: false } as const;
    issueUser(openAuthority(server.certs), short);
    const profile = join(server.certs, "short.podium");
    assert.ok(await isServed(profile));
    const grants = [{ source: signs.path, target: "/signs", writable: false }];
    const talker = await startJob(podium, StartRequest.create({ cmd: talk, grants }));
    const followed = (async () => {
      let all = "";
      for await (const { bytes } of followLogs(podium, talker)) all += bytes;
      return all;
    })();
    const sign = (name: string) => writeFileSync(join(signs.path, name), "");
    const scene = { server, clock, podium, profile, talker, sign };
    const fromAhead = await jumpAhead(scene);
    await jumpBack(scene);
    assert.ok(await isKept(podium, fromAhead), "that it ended at a time to come is no reason to go");
    assert.is(await followed, "before\nahead\nbehind\n");
    clock.set(0);
    assert.ok(await isServed(profile));
  },
);
