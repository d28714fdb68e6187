import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { wholeDisks } from "../../sandbox/cgroup/block-device.ts";
import { temporaryFolder } from "../support/openssl.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("whole disks of this host");

function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: "utf8" }).trim();
}

/** Undoes in reverse order what a test did to the host. */
function undoList() {
  const undo: (() => void)[] = [];
  return {
    add: (step: () => void) => undo.push(step),
    [Symbol.dispose]: () => {
      for (const step of undo.reverse()) step();
    },
  };
}

/** A loop device with one partition, which needs no partition table. */
function partitionedLoop(file: string, undo: ReturnType<typeof undoList>): { disk: string; partition: string } {
  writeFileSync(file, "");
  truncateSync(file, 32 << 20);
  const disk = run("losetup", "--find", "--show", "--partscan", file);
  undo.add(() => run("losetup", "--detach", disk));
  run("addpart", disk, "1", "2048", "32768");
  undo.add(() => run("delpart", disk, "1"));
  return { disk, partition: `${disk}p1` };
}

function numberOf(device: string): string {
  return readFileSync(`/sys/class/block/${device.replace("/dev/", "")}/dev`, "utf8").trim();
}

test(
  "C07 a partition, a file system on it and an overlay above lead to the whole disk, a tmpfs to an error",
  requires("root"),
  () => {
    using folder = temporaryFolder("cgroup-disk");
    using undo = undoList();
    const { disk, partition } = partitionedLoop(join(folder.path, "image"), undo);
    assert.is.not(numberOf(partition), numberOf(disk));
    assert.equal(wholeDisks([partition]), [numberOf(disk)]);

    const inside = join(folder.path, "mounted here");
    mkdirSync(inside);
    run("mkfs.ext4", "-q", partition);
    run("mount", partition, inside);
    undo.add(() => run("umount", inside));
    assert.equal(wholeDisks([inside]), [numberOf(disk)]);

    const merged = join(folder.path, "merged");
    for (const name of [merged, join(inside, "lower,1"), join(inside, "upper"), join(inside, "work")]) mkdirSync(name);
    const layers = `lowerdir=${inside}/lower\\,1,upperdir=${inside}/upper,workdir=${inside}/work`;
    run("mount", "-t", "overlay", "overlay", "-o", layers, merged);
    undo.add(() => run("umount", merged));
    assert.equal(wholeDisks([merged]), [numberOf(disk)]);

    run("mount", "-t", "tmpfs", "tmpfs", merged);
    undo.add(() => run("umount", merged));
    assert.throws(
      () => wholeDisks([inside, merged]),
      (error: Error) => error.message === `${merged} is on tmpfs, which has no disk of this host behind it`,
    );
  },
);

test("the disk of the root folder is a whole disk of the host", () => {
  const source = spawnSync("findmnt", ["--noheadings", "--output", "SOURCE", "/"], { encoding: "utf8" }).stdout.trim();
  const disks = wholeDisks(["/"]);
  assert.ok(disks.length > 0);
  for (const disk of disks) assert.ok(readFileSync(`/sys/dev/block/${disk}/queue/scheduler`, "utf8") !== "", source);
});
