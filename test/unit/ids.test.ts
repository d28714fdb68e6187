import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { diskThread } from "../../src/jobs/disk/thread.ts";
import { JobIds } from "../../src/jobs/ids.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const test = suite("job ids");

test("begin at 1 and go on after an orderly end", () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "last-id");
  const ids = new JobIds(file, 0);
  assert.equal([ids.take(), ids.take(), ids.take()], [1, 2, 3]);
  ids.close();
  assert.is(readFileSync(file, "utf8"), "3\n");
  assert.is(new JobIds(file, 3).take(), 4);
});

test("are on disk before they are given out, and never twice after a crash", () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "last-id");
  let highest = 0;
  for (let crash = 0; crash < 5; crash++) {
    const ids = new JobIds(file, 0);
    for (let i = 0; i < 70; i++) {
      const id = ids.take();
      assert.ok(id > highest, `${id} after ${highest}`);
      assert.ok(Number(readFileSync(file, "utf8")) >= id);
      highest = id;
    }
  }
});

test("are reserved before they are needed, and given back all the same at an orderly end", async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "last-id");
  const ids = new JobIds(file, 0);
  for (let i = 0; i < 40; i++) ids.take();
  await until("the next block", () => readFileSync(file, "utf8") === "128\n");
  await diskThread.perform({ sync: [folder.path] }); // after its name
  const { ino } = statSync(file);
  for (let i = 0; i < 40; i++) ids.take();
  assert.is(statSync(file).ino, ino, "no Start has waited for the disk");
  for (let i = 0; i < 40; i++) ids.take();
  ids.close();
  assert.is(readFileSync(file, "utf8"), "120\n");
  assert.is(new JobIds(file, 0).take(), 121);
  await until("what was not wanted any more is gone", () => !existsSync(`${file}.ahead`));
  assert.is(readFileSync(file, "utf8"), "184\n");
});

test("are above those of the folders that are there, whatever the file says", () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "last-id");
  assert.is(new JobIds(file, 41).take(), 42);
  writeFileSync(file, "7\n");
  assert.is(new JobIds(file, 90).take(), 91);
});

test("are refused from a file that says nothing, rather than begun again", () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "last-id");
  for (const text of ["", "\n", "x\n", "-1\n", "1e3\n", "12", "99999999999999999999\n"]) {
    writeFileSync(file, text);
    assert.throws(() => new JobIds(file, 3), /last-id: is not the number of the last job/, JSON.stringify(text));
  }
  assert.not(existsSync(`${file}.next`));
});
