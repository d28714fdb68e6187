import fc from "fast-check";
import * as assert from "uvu/assert";
import { layersOf, splitDevice } from "../../sandbox/cgroup/block-device.ts";
import { parseCounter, parseCounters } from "../../sandbox/cgroup/counters.ts";
import { CgroupError } from "../../sandbox/cgroup/errors.ts";
import { formatIoMax, type IoMax, parseIoMax } from "../../sandbox/cgroup/io-max.ts";
import { cpuPeriodUs, cpuQuotaUs } from "../../sandbox/cgroup/limits.ts";
import { isBelow, mountOf, parseMountInfo, unescapeOctal } from "../../sandbox/cgroup/mountinfo.ts";
import { groupFolder } from "../../sandbox/cgroup/own-group.ts";
import { parseProcCgroup } from "../../sandbox/cgroup/proc-cgroup.ts";
import { suite } from "../support/suite.ts";

const test = suite("cgroup files");

/** The result, or the own error; any other error fails the property. */
function ownErrorsOnly(operation: () => unknown): void {
  try {
    operation();
  } catch (error) {
    if (!(error instanceof CgroupError)) throw error;
  }
}

const word = fc.stringMatching(/^[a-z_]{1,12}$/);
const folderName = fc
  .string({ minLength: 1, maxLength: 8, unit: "grapheme-ascii" })
  .filter((name) => !/[/\0]|^\.\.?$/.test(name));
const path = fc.array(folderName, { maxLength: 4 }).map((names) => `/${names.join("/")}`);
const rate = fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }));
const disk = fc.tuple(fc.nat(4095), fc.nat(1048575)).map(([major, minor]) => `${major}:${minor}`);

/** What seq_escape does in the kernel, to options also with the comma. */
function escapeOctal(text: string): string {
  return text.replace(/[ \t\n\\#,]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`);
}

test("parsers of kernel files end with a result or their own error, whatever the text", () => {
  const lines = fc.oneof(
    fc.string(),
    fc
      .array(fc.constantFrom("0::/", "8:0", " ", "-", "rbps=", "max", "\n", "\\040", "1"), { maxLength: 30 })
      .map((parts) => parts.join("")),
  );
  for (const parse of [
    parseIoMax,
    parseMountInfo,
    parseProcCgroup,
    parseCounters,
    (text: string) => parseCounter(text, "f"),
  ]) {
    fc.assert(fc.property(lines, (text) => ownErrorsOnly(() => parse(text))));
  }
  fc.assert(fc.property(fc.oneof(fc.double(), fc.integer()), (cpus) => ownErrorsOnly(() => cpuQuotaUs(cpus))));
});

test("io.max survives formatting and parsing", () => {
  const limit: fc.Arbitrary<IoMax> = fc
    .tuple(disk, rate, rate)
    .map(([disk, readBytesPerSecond, writeBytesPerSecond]) => ({ disk, readBytesPerSecond, writeBytesPerSecond }));
  fc.assert(
    fc.property(fc.array(limit), (limits) => {
      const shown = limits.map((each) => `${formatIoMax(each)} riops=max wiops=max\n`).join("");
      assert.equal(parseIoMax(shown), limits);
    }),
  );
});

test("an accepted number of cores differs from its quota by less than a microsecond per period", () => {
  fc.assert(
    fc.property(fc.double({ min: 0.01, max: 4096, noNaN: true }), (cpus) => {
      const quotaUs = cpuQuotaUs(cpus);
      assert.ok(Number.isSafeInteger(quotaUs) && quotaUs >= 1000);
      assert.ok(Math.abs(quotaUs - cpus * cpuPeriodUs) <= 0.5 + 1e-6);
    }),
  );
});

test("counters of a flat keyed file are read back", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(word, fc.nat()), { selector: ([key]) => key }), (entries) => {
      const text = entries.map(([key, value]) => `${key} ${value}\n`).join("");
      assert.equal([...parseCounters(text)], entries);
    }),
  );
});

test("mountinfo gives back every path and option, with any number of optional fields", () => {
  fc.assert(
    fc.property(
      path,
      path,
      fc.array(word, { maxLength: 3 }),
      word,
      folderName,
      (root, mountPoint, optional, type, option) => {
        const tags = optional.map((tag) => `${tag}:1 `).join("");
        const plain = option.replaceAll(",", "");
        const line = `36 35 0:25 ${escapeOctal(root)} ${escapeOctal(mountPoint)} rw,relatime ${tags}- ${type} none rw,x=${escapeOctal(plain)}\n`;
        assert.equal(parseMountInfo(line), [
          {
            device: "0:25",
            root,
            mountPoint,
            options: ["rw", "relatime"],
            type,
            source: "none",
            superOptions: ["rw", `x=${plain}`],
          },
        ]);
      },
    ),
  );
});

test("octal escapes are undone exactly", () => {
  fc.assert(fc.property(fc.string(), (text) => assert.is(unescapeOctal(escapeOctal(text)), text)));
});

test("membership lines are read back", () => {
  const membership = fc
    .tuple(fc.array(word, { maxLength: 3 }), path)
    .map(([controllers, path]) => ({ controllers, path: path.replaceAll("\n", "") }));
  fc.assert(
    fc.property(fc.array(membership), (memberships) => {
      const text = memberships
        .map(({ controllers, path }, index) => `${index}:${controllers.join(",")}:${path}\n`)
        .join("");
      assert.equal(parseProcCgroup(text), memberships);
    }),
  );
});

test("the mount of a path is the nearest above it, and of several there the last", () => {
  fc.assert(
    fc.property(path, fc.array(path), (wanted, points) => {
      const mounts = parseMountInfo(
        points.map((point) => `1 1 0:1 / ${escapeOctal(point)} rw - tmpfs none rw\n`).join(""),
      );
      const above = mounts.filter(({ mountPoint }) => isBelow(wanted, mountPoint));
      const nearest = Math.max(...above.map(({ mountPoint }) => mountPoint.length));
      const last = above.filter(({ mountPoint }) => mountPoint.length === nearest).at(-1) ?? null;
      assert.ok(mountOf([...mounts, ...mounts], wanted) === last && mountOf(mounts, wanted) === last);
    }),
  );
});

test("a group's folder is never outside of its mount", () => {
  const mount = { device: "0:1", mountPoint: "/m", options: [], type: "cgroup", source: "", superOptions: [] };
  fc.assert(
    fc.property(path, path, (root, own) => {
      const folder = groupFolder({ ...mount, root }, own);
      assert.ok(folder === null || isBelow(folder, "/m"));
      if (isBelow(own, root)) assert.ok(folder !== null);
    }),
  );
});

test("device numbers are taken apart as the C library puts them together", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 0xffffffffn }), fc.bigInt({ min: 0n, max: 0xffffffffn }), (major, minor) => {
      const device =
        ((major & 0xfffn) << 8n) | ((major & 0xfffff000n) << 32n) | (minor & 0xffn) | ((minor & 0xffffff00n) << 12n);
      assert.equal(splitDevice(device), { major, minor });
    }),
  );
});

test("layers of an overlay are read back with colons, commas and backslashes in them", () => {
  const escapeLayer = (layer: string) => layer.replace(/[\\:,]/g, "\\$&");
  const layer = path.filter((text) => text.length > 1);
  fc.assert(
    fc.property(fc.array(layer, { minLength: 1, maxLength: 4 }), layer, (lower, upper) => {
      const values = [lower.map(escapeLayer).join(":"), escapeLayer(upper)].map(escapeOctal);
      const line = `1 1 0:40 / /merged rw - overlay overlay rw,lowerdir=${values[0]},upperdir=${values[1]},index=off\n`;
      const [mount] = parseMountInfo(line);
      assert.ok(mount !== undefined);
      assert.equal(layersOf(mount), [...lower, upper]);
    }),
  );
});
