import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { ReadyFolders } from "../../src/jobs/ready-folders.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const test = suite("job folders made ahead");

/** Folders are whole when there are as many as there ever will be. */
async function filled(path: string): Promise<void> {
  await until("32 folders", () => readdirSync(path).length === 32 && existsSync(join(path, "32/log-index")));
}

test("a folder is used once and has what every job has", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "ready");
  const ready = new ReadyFolders(path);
  await filled(path);
  for (const name of ["a", "b"]) assert.ok(ready.take(join(folder.path, name)));
  assert.is(readFileSync(join(folder.path, "a/state"), "utf8"), "RUNNING\n");
  assert.is(statSync(join(folder.path, "a")).mode & 0o777, 0o700);
  for (const stream of ["stdout", "stderr"]) {
    const { size, mode } = statSync(join(folder.path, "b", stream));
    assert.equal([size, mode & 0o777], [0, 0o600]);
  }
  assert.is.not(statSync(join(folder.path, "a/stdout")).ino, statSync(join(folder.path, "b/stdout")).ino);
  await ready.close();
  assert.not(existsSync(path));
});

test("they go while more are being made", async () => {
  using folder = temporaryFolder();
  for (let round = 0; round < 60; round++) {
    const path = join(folder.path, String(round));
    const ready = new ReadyFolders(path);
    await until("the first", () => existsSync(join(path, "2")));
    await ready.close();
    assert.equal(readdirSync(folder.path), []);
  }
});

test("a burst of more than are ready gets none", async () => {
  using folder = temporaryFolder();
  const ready = new ReadyFolders(join(folder.path, "ready"));
  assert.not(ready.take(join(folder.path, "a")));
  assert.not(existsSync(join(folder.path, "a")));
  await ready.close();
});

test("when somebody has cleared them away, jobs get folders of their own, and there are new ones", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "ready");
  const ready = new ReadyFolders(path);
  await filled(path);
  rmSync(path, { recursive: true });
  assert.not(ready.take(join(folder.path, "a")));
  assert.not(ready.take(join(folder.path, "b")));
  await until("new ones", () => ready.take(join(folder.path, "c")));
  assert.is(readFileSync(join(folder.path, "c/state"), "utf8"), "RUNNING\n");
  await ready.close();
  assert.not(existsSync(path));
});

test("what a crash left is gone before the first is taken", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "ready");
  mkdirSync(join(path, "1"), { recursive: true });
  writeFileSync(join(path, "1/stdout"), "of somebody");
  const ready = new ReadyFolders(path);
  assert.equal(readdirSync(path), []);
  await ready.close();
});
