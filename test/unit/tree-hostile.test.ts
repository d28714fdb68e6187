// Tar streams that somebody made to do harm.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { encodeEntry, tarEnd } from "../../sandbox/tree/tar.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { crafted, entry, unpack } from "../support/trees.ts";

const test = suite("hostile tar streams");

test("a hostile stream writes nothing outside its place", () => {
  using place = temporaryFolder();
  const outside = join(place.path, "outside");
  const target = join(place.path, "target");
  mkdirSync(outside);
  mkdirSync(target);
  const top = entry("top", { kind: "folder", mode: 0o755 });
  const content = { content: "planted" };
  const streams: readonly (readonly [string, Buffer])[] = [
    ["..", crafted(top, { ...entry("top/../../outside/x"), ...content })],
    ["absolute", crafted(top, { ...entry(`${outside}/x`), ...content })],
    ["absolute top", crafted({ ...entry("/x"), ...content })],
    ["top is ..", crafted({ ...entry("../outside/x"), ...content })],
    ["dot", crafted(top, { ...entry("top/./x"), ...content })],
    ["empty name", crafted(top, { ...entry("top//x"), ...content })],
    [
      "link, then a file through it",
      crafted(top, entry("top/l", { kind: "link", target: "../../outside" }), { ...entry("top/l/x"), ...content }),
    ],
    [
      "inner link, then a folder through it",
      crafted(top, entry("top/l", { kind: "link", target: "." }), entry("top/l/x", { kind: "folder" })),
    ],
    [
      "link, then the same as a file",
      crafted(top, entry("top/x", { kind: "link", target: "y" }), { ...entry("top/x"), ...content }),
    ],
  ];
  for (const [name, stream] of streams) {
    for (const links of ["inside", "any"] as const) {
      try {
        unpack(stream, target, { links });
      } catch (error) {
        assert.match((error as Error).message, /would lead out|is no folder, or a link|ENOENT/, name);
      }
      assert.equal(readdirSync(outside), [], name);
    }
  }
  assert.equal(readdirSync(place.path).sort(), ["outside", "target"]);
  assert.not.ok(existsSync("/x"));
});

test("links that climb out by any words are left out; those that stay are made", () => {
  using place = temporaryFolder();
  const links: readonly (readonly [string, boolean])[] = [
    ["file", true],
    ["../file", true],
    ["./a/../file", false],
    ["../..", false],
    ["../../x", false],
    ["/etc/passwd", false],
    ["a/../../../x", false],
    ["..", true],
    ["", false],
  ];
  const top = entry("top", { kind: "folder", mode: 0o755 });
  const inner = entry("top/d", { kind: "folder", mode: 0o755 });
  const made = links.map(([target], i) => entry(`top/d/${i}`, { kind: "link", target }));
  const { notes } = unpack(crafted(top, inner, ...made), place.path);
  const there = readdirSync(join(place.path, "got/d")).map(Number);
  assert.equal(
    there,
    links.flatMap(([, stays], i) => (stays ? [i] : [])),
  );
  assert.is(notes.length, links.filter(([, stays]) => !stays).length);
});

test("hard links, devices and FIFOs in a stream are left out, set-uid bits do not travel", () => {
  using place = temporaryFolder();
  const foreign = ["1", "3", "4", "6", "7"].map((type) => {
    const header = encodeEntry(entry(`top/t${type}`, { target: "/etc/passwd" }));
    header.write(type, 156, "latin1");
    header.write("        ", 148, "latin1");
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    return header;
  });
  const file = encodeEntry(entry("top/suid"));
  file.write("0006755", 100, "latin1");
  file.write("        ", 148, "latin1");
  file.write(
    `${file
      .reduce((total, byte) => total + byte, 0)
      .toString(8)
      .padStart(6, "0")}\0 `,
    148,
    "latin1",
  );
  const top = encodeEntry(entry("top", { kind: "folder", mode: 0o755 }));
  const { notes } = unpack(Buffer.concat([top, ...foreign, file, tarEnd]), place.path);
  assert.is(notes.length, 5);
  assert.equal(readdirSync(join(place.path, "got")), ["suid"]);
  assert.is(lstatSync(join(place.path, "got/suid")).mode & 0o7777, 0o755);
});

test("bounds hold before anything too large is written, and a broken stream is one", () => {
  using place = temporaryFolder();
  const top = entry("top", { kind: "folder", mode: 0o755 });
  const big = encodeEntry(entry("top/big", { size: 2 ** 52 }));
  assert.throws(
    () => unpack(Buffer.concat([encodeEntry(top), big]), place.path, { maxBytes: 1000 }),
    /it is larger than 1000 bytes/,
  );
  assert.not.ok(existsSync(join(place.path, "got/big")));
  const many = crafted(top, entry("top/a"), entry("top/b"));
  assert.throws(() => unpack(many, place.path, { maxEntries: 2 }), /more than 2 files/);
  assert.throws(() => unpack(many.subarray(0, 700), place.path), /the stream broke off/);
  const damaged = Buffer.from(many);
  damaged[5] = 0x41;
  assert.throws(() => unpack(damaged, place.path), /a header's sum is wrong/);
});

test("what is there is replaced, not written through, and a folder is no file", () => {
  using place = temporaryFolder();
  writeFileSync(join(place.path, "victim"), "untouched");
  mkdirSync(join(place.path, "got"));
  symlinkSync("../victim", join(place.path, "got/x"));
  const top = entry("top", { kind: "folder", mode: 0o755 });
  unpack(crafted(top, { ...entry("top/x"), content: "new" }), place.path);
  assert.is(readFileSync(join(place.path, "victim"), "utf8"), "untouched");
  assert.is(readFileSync(join(place.path, "got/x"), "utf8"), "new");
  assert.throws(
    () => unpack(crafted(entry("top", { kind: "link", target: "x" })), place.path),
    /there already, and a folder/,
  );
  symlinkSync("got", join(place.path, "alias"));
  assert.throws(() => unpack(crafted(top), place.path, { top: "alias" }), /is there already, and no folder/);
  assert.is(readlinkSync(join(place.path, "alias")), "got");
});
