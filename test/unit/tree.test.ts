// Trees as tar streams: what goes in comes out, GNU tar understands it, and no stream writes outside its place.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { landingOf, topOf } from "../../sandbox/tree/landing.ts";
import { openFolder, openFolderBelow, packTree } from "../../sandbox/tree/pack.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { pack, unpack } from "../support/trees.ts";

const test = suite("trees and tar streams");

/** Every path below with kind, mode, time, content. */
function listing(path: string): string {
  const format = "%P %y %m %T@ %l\\n";
  const script = `cd "$0" && { find . -printf '${format}' | sed 's/\\.[0-9]*//'; find . -type f -exec sha256sum {} +; } | LC_ALL=C sort`;
  return execFileSync("sh", ["-c", script, path], { encoding: "latin1" });
}

function fill(path: string): void {
  mkdirSync(join(path, "deep/er/est"), { recursive: true });
  writeFileSync(join(path, "empty"), "");
  writeFileSync(join(path, "deep/exact"), Buffer.alloc(1024, "x"));
  writeFileSync(join(path, "deep/er/odd"), Buffer.alloc(70_001, "y"), { mode: 0o751 });
  writeFileSync(join(path, `${"long-".repeat(40)}name`), "long");
  mkdirSync(join(path, "ü".repeat(60)));
  writeFileSync(Buffer.concat([Buffer.from(`${path}/`), Buffer.from([0xff, 0xfe, 0x41])]), "no UTF-8");
  symlinkSync("../deep/exact", join(path, "deep/link"));
  symlinkSync("nowhere", join(path, "dangling"));
  chmodSync(join(path, "deep/er"), 0o555);
  utimesSync(join(path, "deep/exact"), 1_000_000, 1_000_000);
  utimesSync(join(path, "deep"), 2_000_000, 2_000_000);
}

test("a tree comes out as it went in, names that are no UTF-8 included", () => {
  using place = temporaryFolder();
  const source = join(place.path, "source");
  mkdirSync(source, { mode: 0o750 });
  fill(source);
  const { notes, entries } = unpack(pack(place.path, "source"), place.path);
  assert.equal(notes, []);
  assert.is(entries, 12);
  assert.is(listing(join(place.path, "got")), listing(source));
  const contents = join(place.path, "contents");
  mkdirSync(contents);
  unpack(pack(source, "."), contents, { top: "" });
  assert.is(execFileSync("diff", ["-r", "--no-dereference", source, contents], { encoding: "utf8" }), "");
});

test("GNU tar reads what we write, and we read what GNU tar writes", () => {
  using place = temporaryFolder();
  const source = join(place.path, "source");
  mkdirSync(source);
  fill(source);
  const theirs = join(place.path, "theirs");
  mkdirSync(theirs);
  execFileSync("tar", ["-xf", "-", "-C", theirs], { input: pack(place.path, "source") });
  assert.is(listing(join(theirs, "top")), listing(source));
  for (const format of ["ustar", "pax"]) {
    const from = format === "ustar" ? ["-C", source, "deep"] : ["-C", place.path, "source"];
    const stream = execFileSync("tar", ["-cf", "-", `--format=${format}`, ...from]);
    unpack(stream, place.path, { top: format, links: "any" });
  }
  assert.is(listing(join(place.path, "pax")), listing(source));
  assert.is(listing(join(place.path, "ustar")), listing(join(source, "deep")));
});

test("a single file, and a size beyond what eleven octal digits hold", () => {
  using place = temporaryFolder();
  writeFileSync(join(place.path, "one"), "content", { mode: 0o600 });
  unpack(pack(place.path, "one"), place.path);
  assert.is(readFileSync(join(place.path, "got"), "utf8"), "content");
  writeFileSync(join(place.path, "huge"), "");
  truncateSync(join(place.path, "huge"), 9 * 1024 ** 3);
  const folder = openFolder(place.path);
  const [header] = packTree(folder, "huge", "huge", () => {});
  assert.is(header?.length, 3 * 512, "pax header, its body, and the header");
  assert.match(header?.toString("latin1") ?? "", "19 size=9663676416\n");
});

test("F16 a FIFO, a socket and a device are left out and named, and a link is sent as a link", () => {
  using place = temporaryFolder();
  const source = join(place.path, "source");
  mkdirSync(source);
  execFileSync("mkfifo", [join(source, "fifo")]);
  execFileSync("mknod", [join(source, "device"), "c", "1", "5"]);
  symlinkSync("/etc/passwd", join(source, "link"));
  symlinkSync("/etc", join(source, "folder-link"));
  writeFileSync(join(source, "file"), "kept");
  const notes: string[] = [];
  const stream = pack(place.path, "source", notes);
  const reason = "left out: is a FIFO, a socket or a device";
  assert.equal(notes.sort(), [`top/device: ${reason}`, `top/fifo: ${reason}`]);
  assert.not.match(stream.toString("latin1"), "root:x:0");
  assert.throws(() => pack(source, "fifo"), /top: is a FIFO, a socket or a device/);
  const { notes: left } = unpack(stream, place.path);
  assert.match(
    left.sort().join("\n"),
    /^got\/folder-link: left out: a link that leads elsewhere \(\/etc\)\n.*passwd\)$/,
  );
  assert.equal(readdirSync(join(place.path, "got")), ["file"]);
});

test("the way to what is packed leads through no link", () => {
  using place = temporaryFolder();
  mkdirSync(join(place.path, "real/inner"), { recursive: true });
  symlinkSync("real", join(place.path, "link"));
  const folder = openFolder(place.path);
  assert.ok(openFolderBelow(folder, "real/inner") > 0);
  assert.throws(() => openFolderBelow(folder, "link/inner"), /ENOTDIR|ELOOP/);
  assert.throws(() => openFolderBelow(folder, "link"), /ENOTDIR|ELOOP/);
});

test("where a copy lands is where cp puts it", () => {
  using place = temporaryFolder();
  assert.equal(landingOf(place.path, "x", false), { folder: place.path, top: "x" });
  assert.equal(landingOf(`${place.path}/new`, "x", false), { folder: place.path, top: "new" });
  assert.equal(landingOf("new", "x", false), { folder: ".", top: "new" });
  assert.equal(landingOf("/new", "x", false), { folder: "/", top: "new" });
  assert.equal(landingOf(`${place.path}/made`, "x", true), { folder: `${place.path}/made`, top: "" });
  assert.ok(existsSync(`${place.path}/made`));
  for (const [path, name, onlyContents] of [
    ["a/b", "b", false],
    ["a/b/", "b", false],
    ["a/b/.", "b", true],
    [".", "files", true],
    ["/", "files", true],
    ["a", "a", false],
  ] as const) {
    assert.equal(topOf(path), { name, onlyContents }, path);
  }
});
