// What reaches the disk, seen from the system calls of a program that does nothing else.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { DiskSync } from "../../src/jobs/disk/sync.ts";
import { diskCalls } from "../support/disk-calls.ts";
import { root } from "../support/runner/catalog.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("job folders on the disk");

/** Runs statements with the compiled modules of src/jobs; the paths that were synced or renamed to, in their order. */
function callsOf(folder: string, statements: string): string[] {
  const log = join(folder, "log");
  const module = (name: string) => JSON.stringify(join(root, `build/src/jobs/${name}.js`));
  const imports = `import { DiskSync } from ${module("disk/sync")}; import { JobIds } from ${module("ids")};`;
  const program = `${imports} const log = { error(fields) { console.error(fields.error); } }; ${statements}`;
  const node = [process.execPath, "--input-type=module", "-e", program];
  const trace = ["-f", "-qq", "-y", "-z", "-e", "trace=fsync,rename", "-e", "signal=none", "-o", log];
  const { status, stderr } = spawnSync("strace", [...trace, ...node], { encoding: "utf8", cwd: "/" });
  assert.equal([status, stderr], [0, ""]);
  return diskCalls(log);
}

test(
  "of each job its files once, its name, and once the folder's name; what has gone holds up nobody",
  requires("strace"),
  () => {
    using folder = temporaryFolder();
    const job = (n: number) => join(folder.path, "jobs", String(n));
    for (const n of [1, 2]) mkdirSync(job(n), { recursive: true });
    for (const n of [1, 2]) writeFileSync(join(job(n), "job.json"), "{}");
    writeFileSync(join(job(2), "queued.json"), "{}");
    const jobs = [1, 3, 2].map((n) => ({
      folder: job(n),
      unsynced: ["job.json", ...(n === 2 ? ["queued.json"] : [])],
    }));
    const soon = `for (const job of [...jobs, jobs[0]]) disk.soon(job); await disk.done();`;
    const again = "disk.soon(jobs[0]); await disk.done();";
    const calls = callsOf(
      folder.path,
      `const jobs = ${JSON.stringify(jobs)}; const disk = new DiskSync(log); ${soon} ${again}`,
    );
    assert.equal(calls, [
      `fsync ${job(1)}/job.json`,
      `fsync ${job(1)}`,
      `fsync ${job(2)}/job.json`,
      `fsync ${job(2)}/queued.json`,
      `fsync ${job(2)}`,
      `fsync ${folder.path}/jobs`,
      `fsync ${job(1)}`,
      `fsync ${folder.path}/jobs`,
    ]);
  },
);

test("a number is on the disk under its name before it is given out", requires("strace"), () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "last-id");
  const calls = callsOf(folder.path, `new JobIds(${JSON.stringify(file)}, 0).take();`);
  assert.equal(calls, [`fsync ${file}.next`, `rename ${file}`, `fsync ${folder.path}`]);
});

test("nobody waits for it, what comes while it works is done too, and a disk that fails is told", async () => {
  using folder = temporaryFolder();
  const told: string[] = [];
  const of = (path: string) => ({ folder: path, unsynced: ["job.json"] });
  const disk = new DiskSync({ error: (_, message) => void told.push(message) });
  await disk.done();
  const job = join(folder.path, "1");
  writeFileSync(job, ""); // no folder: opening a file below it fails with ENOTDIR
  disk.soon(of(job));
  const first = disk.done();
  disk.soon(of(join(folder.path, "2")));
  await first;
  assert.equal(told, ["the disk does not keep what was written about jobs"]);
  disk.soon(of(folder.path));
  await disk.done();
  assert.is(told.length, 1);
});
