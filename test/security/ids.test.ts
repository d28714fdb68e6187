import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { type IdRanges, idsPerJob } from "../../sandbox/id-ranges.ts";
import { type StartedJob, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { HostFolder } from "./host-folder.ts";

const test = suite("id ranges");
const root = requires("root", "libseccomp");
const argv = ["sleep", "1000"];

/** Beside those that other tests and servers have, below 2^31. */
const own = (ranges: number): IdRanges => ({ first: 0x7000_0000 + (process.pid % 400) * 8 * idsPerJob, ranges });

function hostId({ pid }: StartedJob): number {
  return Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

async function refusal(zygote: TestZygote): Promise<string> {
  try {
    await zygote.start({ argv });
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("it started");
}

async function end(job: StartedJob): Promise<void> {
  process.kill(job.initPid, "SIGKILL");
  await job.finished.catch(() => {});
}

test(
  "jobs have the configured ranges, one each; none left is a clear error, and an ended job gives its own back",
  root,
  async () => {
    const ids = own(3);
    await using zygote = await TestZygote.open({ ids });
    const jobs = [await zygote.start({ argv }), await zygote.start({ argv }), await zygote.start({ argv })];
    const bases = [0, 1, 2].map((n) => ids.first + n * idsPerJob);
    assert.equal(jobs.map(hostId).sort(), bases);
    const refused = await zygote.run(["true"]).catch((error: Error) => error);
    assert.instance(refused, Error); // no init, no record: the start itself says why
    const reason = await zygote.start({ argv }).catch((error: Error) => error.message);
    assert.is(
      reason,
      `user-namespace: all 3 id ranges from ${ids.first} up are in use; end some jobs, or give the configuration's "ids" more`,
    );
    const [first, ...others] = jobs as [StartedJob, ...StartedJob[]];
    const freed = hostId(first);
    await end(first);
    const next = await zygote.start({ argv });
    assert.is(hostId(next), freed);
    for (const job of [next, ...others]) await end(job);
  },
);

test(
  "two servers with overlapping ranges never share one, also when a zygote was killed under its jobs",
  root,
  async () => {
    const ids = own(2);
    await using one = await TestZygote.open({ ids: { ...ids, ranges: 1 } });
    const job = await one.start({ argv, bound: false });
    process.kill(one.client.pid, "SIGKILL");
    await using other = await TestZygote.open({ ids });
    const second = await other.start({ argv });
    assert.is(hostId(second), ids.first + idsPerJob, "the first range is the running job's");
    assert.match(await refusal(other), /all 2 id ranges/);
    process.kill(job.initPid, "SIGKILL");
    let third = await other.start({ argv }).catch(() => null);
    while (third === null) third = await other.start({ argv }).catch(() => null);
    assert.is(hostId(third), ids.first);
    for (const each of [second, third]) await end(each);
  },
);

test("F05 a file system that cannot be id-mapped is refused with the reason", root, async () => {
  using folder = new HostFolder();
  spawnSync("mount", ["-t", "ramfs", "podium-test", folder.path]);
  try {
    await using zygote = await TestZygote.open();
    const grants = [{ source: folder.path, target: "/g", writable: false }];
    const granted = await zygote.run(["true"], { grants });
    const rooted = await zygote.run(["true"], { rootfs: { path: folder.path, mode: "overlay" } });
    for (const [{ record }, step] of [
      [granted, "grants"],
      [rooted, "rootfs"],
    ] as const) {
      assert.equal([record.cause, record.step, record.errno], ["START_FAILED", step, "EINVAL"]);
      assert.match(record.message, /the file system of .* cannot be id-mapped by this kernel; put the folder on ext4/);
    }
  } finally {
    spawnSync("umount", [folder.path]);
  }
});
