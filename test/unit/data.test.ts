// Whose DATA it is: an id of its own for each, also for a copy.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { root } from "../support/runner/catalog.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("DATA");
const needs = requires("root"); // the file of locks is root's

/** Opens each in turn in a process of its own, which keeps them all until its end: the ids, or what refused the last one. */
function opened(...folders: readonly string[]): string[] {
  const module = JSON.stringify(join(root, "build/src/jobs/data.js"));
  const program = `import { openData } from ${module};
for (const folder of process.argv.slice(1)) {
  try { console.log(openData(folder).id); } catch (error) { console.log(error.message + "; " + error.mend); }
}`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program, ...folders], {
    encoding: "utf8",
  });
  assert.is(stderr, "");
  return stdout.trim().split("\n");
}

test("it keeps its id, also when it is renamed", needs, () => {
  using folder = temporaryFolder();
  const [first, moved] = ["first", "moved"].map((name) => join(folder.path, name)) as [string, string];
  const [id = ""] = opened(first);
  assert.match(id, /^[0-9a-f]{8}$/);
  assert.equal(opened(first), [id]);
  renameSync(first, moved);
  assert.equal(opened(moved), [id]);
});

test("a copy gets another, and forgets where the first one's groups are", needs, () => {
  using folder = temporaryFolder();
  const [first, copy] = ["first", "copy"].map((name) => join(folder.path, name)) as [string, string];
  const [id = ""] = opened(first);
  writeFileSync(join(first, "cgroup.json"), "{}");
  cpSync(first, copy, { recursive: true });
  const [own = "", again = ""] = [...opened(copy), ...opened(copy)];
  assert.match(own, /^[0-9a-f]{8}$/);
  assert.is.not(own, id);
  assert.is(again, own);
  assert.equal([existsSync(join(copy, "cgroup.json")), existsSync(join(first, "cgroup.json"))], [false, true]);
  assert.equal(opened(first), [id]);
});

test("one that cannot be told from the first is refused beside it, with the mend", needs, () => {
  using folder = temporaryFolder();
  const [first, copy] = ["first", "copy"].map((name) => join(folder.path, name)) as [string, string];
  const [id = ""] = opened(first);
  cpSync(first, copy, { recursive: true });
  rmSync(join(copy, "place")); // as an older podium left it
  const [, refused = ""] = opened(first, copy);
  assert.match(
    refused,
    /another podium server uses the DATA that this is a copy of; rm \S+copy\/id \S+copy\/cgroup\.json /,
  );
  rmSync(join(copy, "id"));
  const [, own = ""] = opened(first, copy);
  assert.match(own, /^[0-9a-f]{8}$/);
  assert.is.not(own, id);
});

test("an id that was removed comes back; where nothing tells it and a job may run, the reason does", needs, () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "first");
  const [id = ""] = opened(path);
  rmSync(join(path, "id"));
  assert.equal(opened(path), [id]);
  const job = join(path, "jobs", "7");
  mkdirSync(job);
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  writeFileSync(join(job, "job.json"), JSON.stringify({ id: 7, boot, data: id }));
  for (const name of ["id", "place"]) rmSync(join(path, name));
  const [refused = ""] = opened(path);
  assert.is(
    refused,
    `${path}/id: is missing, and ${job}, which was started under the id ${id}, has not ended; echo ${id} > ${path}/id where it was started; in a copy of that DATA, rm -r ${job}`,
  );
  writeFileSync(join(path, "id"), `${id}\n`);
  assert.equal(opened(path), [id]);
  for (const name of ["id", "place"]) rmSync(join(path, name));
  writeFileSync(join(job, "exit.json"), JSON.stringify({ cause: "EXITED" }));
  assert.match(opened(path)[0] ?? "", /^[0-9a-f]{8}$/);
});

test("of another boot the folder's number alone counts, for disks change places", needs, () => {
  using folder = temporaryFolder();
  const first = join(folder.path, "first");
  const [id = ""] = opened(first);
  const place = join(first, "place");
  const [inode = ""] = readFileSync(place, "utf8").split(" ");
  writeFileSync(place, `${inode} 1 5c4a3b2a-0000-4000-8000-000000000000\n`);
  assert.equal(opened(first), [id]);
  writeFileSync(place, `${Number(inode) + 1} 1 5c4a3b2a-0000-4000-8000-000000000000\n`);
  assert.is.not(opened(first)[0], id);
});
