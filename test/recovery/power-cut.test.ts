// What a power cut must not take back is on the disk soon after it was told: seen from the calls that put it there.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { waitForJob } from "../../src/client/jobs.ts";
import { startJob } from "../../src/client/start.ts";
import { StartRequest } from "../../src/gen/podium.ts";
import { until } from "../integration/live-server.ts";
import { diskCalls } from "../support/disk-calls.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("a power cut");

/** Every successful fsync and rename of a process and its threads, by path, in their order. */
class Calls implements AsyncDisposable {
  readonly #folder = temporaryFolder();
  readonly #strace;

  constructor(pid: number) {
    const options = ["-f", "-qq", "-y", "-z", "-e", "trace=fsync,rename", "-e", "signal=none"];
    const args = [...options, "-o", this.#log, "-p", String(pid)];
    this.#strace = spawn("strace", args, { stdio: ["ignore", "ignore", "inherit"] });
  }

  get #log(): string {
    return join(this.#folder.path, "log");
  }

  /** `fsync PATH` or `rename TO`. */
  get made(): string[] {
    return diskCalls(this.#log);
  }

  /** Resolves when it sees the process. */
  async attached(pid: number): Promise<void> {
    const traced = () => !/^TracerPid:\t0$/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    await until("the trace", traced);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#strace, "exit");
    this.#strace.kill("SIGTERM");
    await ended;
    this.#folder[Symbol.dispose]();
  }
}

test(
  "a started job's folder, its end and the numbers given out are synced, without anybody waiting for it",
  requires("root", "libseccomp", "strace"),
  async () => {
    await using server = await TestServer.start();
    const jobs = join(server.data, "jobs");
    await using calls = new Calls(server.pid);
    await calls.attached(server.pid);
    using podium = server.connect("alice");
    const id = await startJob(podium, StartRequest.create({ cmd: "read line; exit 3", stdin: true }));
    const folder = join(jobs, String(id));
    const wanted = [`fsync ${folder}/job.json`, `fsync ${folder}`, `fsync ${jobs}`];
    await until("the job is on the disk", () => calls.made.includes(`fsync ${jobs}`));
    const begun = calls.made;
    assert.equal(
      begun.filter((call) => wanted.includes(call)),
      wanted,
      "the file, its name, the folder's name",
    );
    const numbers = ["fsync", "rename", "fsync"].map(
      (call, i) => `${call} ${server.data}${["/last-id.next", "/last-id", ""][i]}`,
    );
    assert.equal(
      begun.filter((call) => numbers.includes(call)),
      numbers,
    );
    assert.ok(begun.lastIndexOf(numbers[2] ?? "") < begun.indexOf(wanted[0] ?? ""));
    await server.podium("alice", ["stop", "--grace", "0s", String(id)]);
    await waitForJob(podium, id);
    const again = () => calls.made.slice(begun.length).filter((call) => wanted.slice(1).includes(call));
    await until("its record is on the disk", () => again().length >= 2);
    assert.equal(again(), wanted.slice(1));
  },
);

test(
  "jobs that are removed before they are on the disk hold up none of the others",
  requires("root", "libseccomp", "strace"),
  async () => {
    await using server = await TestServer.start();
    await using calls = new Calls(server.pid);
    await calls.attached(server.pid);
    using podium = server.connect("alice");
    const start = () => startJob(podium, StartRequest.create({ argv: ["sleep", "1000"] }));
    const ids = await Promise.all([start(), start(), start()]);
    rmSync(join(server.data, "jobs", String(ids[1]), "job.json"));
    const id = await start();
    await until("the last one", () => calls.made.includes(`fsync ${join(server.data, "jobs", String(id))}`));
    assert.not.match(server.log, /does not keep/);
  },
);
