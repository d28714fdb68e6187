import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { AccountError, type AccountFiles, accountFilesOf, findUser, type Ids } from "../../sandbox/accounts.ts";
import { close, O_DIRECTORY, O_PATH, open } from "../../sandbox/sys/descriptors.ts";
import { parseUserName } from "../../sandbox/units.ts";
import { suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("accounts of a root");

const passwd = [
  "root:x:0:0:root:/root:/bin/sh",
  "# a comment",
  "broken:x:seven:7::/:/bin/sh",
  "broken:x:9",
  "worker:x:1000:50:Worker:/home/worker:/bin/sh",
  "worker:x:2000:2000::/late:/bin/sh",
  "far:x:4294967295:4294967295::/:/bin/sh",
  "1234:x:7:7::/:/bin/sh",
].join("\n");
const group = ["root:x:0:", "staff:x:50:worker", "1234:x:77:", "other:x:no:"].join("\n");
const files: AccountFiles = (path) => (path === "/etc/passwd" ? passwd : group);

function found(text: string, within: AccountFiles = files): Ids | string {
  const wanted = parseUserName(text);
  if (wanted === null) return "no form";
  try {
    return findUser(wanted, within);
  } catch (error) {
    assert.instance(error, AccountError);
    return (error as AccountError).message;
  }
}

test("names and numbers mean what passwd and group say", () => {
  const cases: Record<string, [number, number]> = {
    worker: [1000, 50], // the first of two
    "1000": [1000, 50],
    "01000": [1000, 50],
    "worker:staff": [1000, 50],
    "worker:root": [1000, 0],
    "worker:8": [1000, 8],
    "1000:staff": [1000, 50],
    "1000:1000": [1000, 1000],
    "1001": [1001, 1001],
    "1234": [1234, 1234], // a number is never a name
    "7": [7, 7],
    "root:1234": [0, 1234],
  };
  for (const [text, [uid, gid]] of Object.entries(cases)) assert.equal(found(text), { uid, gid }, text);
});

test("who is not there is named, with the file", () => {
  assert.is(found("nobody"), `there is no user "nobody" in the root's /etc/passwd`);
  assert.is(found("broken"), `there is no user "broken" in the root's /etc/passwd`);
  assert.is(found("worker:other"), `there is no group "other" in the root's /etc/group`);
  assert.is(found("5:none"), `there is no group "none" in the root's /etc/group`);
  const none: AccountFiles = () => null;
  assert.is(found("root", none), `there is no user "root" in the root's /etc/passwd`);
  assert.equal(found("1000", none), { uid: 1000, gid: 1000 });
  assert.equal(found("far"), { uid: 4_294_967_295, gid: 4_294_967_295 }); // refused as an id of the job
});

test("what is no USER[:GROUP] is none", () => {
  for (const text of ["", ":", "a:", ":b", "a:b:c", "a\nb", "a\0", "x".repeat(257)])
    assert.is(found(text), "no form", text);
});

test("any text as the files, and any text as the name, gives ids or a reason", () => {
  const line = fc
    .array(fc.oneof(fc.string(), fc.nat().map(String)), { maxLength: 8 })
    .map((fields) => fields.join(":"));
  const file = fc.array(line, { maxLength: 6 }).map((lines) => lines.join("\n"));
  fc.assert(
    fc.property(fc.string(), file, file, (text, one, two) => {
      const told = found(text, (path) => (path === "/etc/passwd" ? one : two));
      if (typeof told !== "string") assert.ok(Number.isInteger(told.uid) && Number.isInteger(told.gid));
    }),
  );
});

test("files that are none are refused by name, and no link leads out of the root", () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "root/etc/passwd");
  mkdirSync(join(folder.path, "root/etc"), { recursive: true });
  mkdirSync(join(folder.path, "root/real"));
  writeFileSync(join(folder.path, "passwd"), "outside:x:1:1::/:/bin/sh\n");
  const kinds: readonly [() => void, RegExp][] = [
    [() => mkdirSync(path), /\/etc\/passwd is not a regular file/],
    [() => execFileSync("mkfifo", [path]), /\/etc\/passwd is not a regular file/],
    [
      () => execFileSync("sh", ["-c", `: > "$0"; truncate -s 2M "$0"`, path]),
      /has 2097152 bytes, and 1048576 is the most/,
    ],
    [() => symlinkSync("passwd", path), /cannot be read \(ELOOP\)/],
    [() => symlinkSync("/proc/self/fd/0", path), /there is no user "outside"/],
    [() => symlinkSync(join(folder.path, "passwd"), path), /there is no user "outside"/],
    [() => symlinkSync("../../../passwd", path), /there is no user "outside"/],
  ];
  const root = open(join(folder.path, "root"), O_PATH | O_DIRECTORY);
  try {
    for (const [make, reason] of kinds) {
      make();
      assert.match(String(found("outside", accountFilesOf(root))), reason);
      rmSync(path, { recursive: true });
    }
    writeFileSync(join(folder.path, "root/real/users"), "inside:x:5:6::/:/bin/sh\n");
    symlinkSync("/../real/users", path);
    assert.equal(found("inside", accountFilesOf(root)), { uid: 5, gid: 6 });
    truncateSync(join(folder.path, "root/real/users"), 0);
    assert.match(String(found("inside", accountFilesOf(root))), /there is no user/);
  } finally {
    close(root);
  }
});
