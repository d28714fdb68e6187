// Disks of other hosts: a folder tree like /sys and mounts in text; real devices are in the integration suite.
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as assert from "uvu/assert";
import { wholeDisks } from "../../sandbox/cgroup/block-device.ts";
import { parseMountInfo } from "../../sandbox/cgroup/mountinfo.ts";
import { temporaryFolder } from "../support/openssl.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("whole disks");

/** /sys with devices `name: major:minor`; a name below another is its partition. */
function fakeSys(devices: Readonly<Record<string, string>>, slaves: Readonly<Record<string, readonly string[]>> = {}) {
  const folder = temporaryFolder("cgroup-sys");
  const sys = folder.path;
  const find = (name: string) => join(sys, "devices", Object.keys(devices).find((path) => path.endsWith(name)) ?? "");
  mkdirSync(join(sys, "dev/block"), { recursive: true });
  for (const [path, number] of Object.entries(devices)) {
    const device = join(sys, "devices", path);
    mkdirSync(join(device, "slaves"), { recursive: true });
    writeFileSync(join(device, "dev"), `${number}\n`);
    if (dirname(path) !== ".") writeFileSync(join(device, "partition"), "1\n");
    symlinkSync(device, join(sys, "dev/block", number));
  }
  for (const [name, lower] of Object.entries(slaves)) {
    for (const slave of lower) symlinkSync(find(slave), join(find(name), "slaves", slave));
  }
  return { sys, find, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

// /dev/vda is a node with numbers that the fake /sys explains; every machine has the character of a loop device's node.
const mounts = (text: string) => parseMountInfo(text);

test("C07 a volume of device mapper on md on partitions comes down to the whole disks", requires("root"), () => {
  using fake = fakeSys(
    { sda: "8:0", "sda/sda1": "8:1", sdb: "8:16", "sdb/sdb2": "8:18", md0: "9:0", "dm-0": "7:0" },
    { "dm-0": ["md0"], md0: ["sda1", "sdb2"] },
  );
  // The fake device mapper has the numbers of /dev/loop0.
  assert.equal(wholeDisks(["/dev/loop0"], { sys: fake.sys, mounts: [] }), ["8:0", "8:16"]);
});

test("each disk is named once, whatever the number of paths", requires("root"), () => {
  using fake = fakeSys({ sdc: "7:0" });
  assert.equal(wholeDisks(["/dev/loop0", "/dev/loop0"], { sys: fake.sys, mounts: [] }), ["7:0"]);
});

test("btrfs names all of its disks", requires("root"), () => {
  using fake = fakeSys({ sda: "8:0", "sda/sda1": "7:0", sdb: "8:16" });
  const list = join(fake.sys, "fs/btrfs/1234/devices");
  mkdirSync(list, { recursive: true });
  for (const name of ["sda1", "sdb"]) symlinkSync(fake.find(name), join(list, name));
  // /proc stands for the btrfs: like it, its device number has major 0.
  const view = { sys: fake.sys, mounts: mounts("1 1 0:9 / /proc rw - btrfs /dev/loop0 rw\n") };
  assert.equal(wholeDisks(["/proc/self"], view), ["8:0", "8:16"]);
});

test("file systems without a disk are refused by path and type", () => {
  assert.throws(
    () => wholeDisks(["/proc"], { sys: "/sys", mounts: mounts("1 1 0:9 / /proc rw - tmpfs tmpfs rw\n") }),
    /^\/proc is on tmpfs, which has no disk of this host behind it$/,
  );
  assert.throws(() => wholeDisks(["/nonexistent"]), /^cannot tell the disk of \/nonexistent: ENOENT$/);
});

test("an overlay whose layers cannot be seen is refused with both paths", () => {
  const overlay = "1 1 0:9 / /proc rw - overlay overlay rw,lowerdir=/nonexistent/l,upperdir=/nonexistent/u\n";
  assert.throws(
    () => wholeDisks(["/proc"], { sys: "/sys", mounts: mounts(overlay) }),
    /^cannot tell the disk of \/proc, an overlay: cannot tell the disk of \/nonexistent\/l: ENOENT$/,
  );
});
