import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { runSandbox, runScript } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { Attacks, assertNoneWorked, assertResults, profiles } from "./attacks.ts";
import { HostFolder } from "./host-folder.ts";

const test = suite("granted folders and devices");
const root = requires("root", "libseccomp");
const compiler = requires("root", "libseccomp", "gcc");

const changes = [
  "echo x >> f",
  "echo x > new",
  "chmod 777 f",
  "chown 0:0 f",
  "touch f",
  "rm -f f",
  "mkdir d",
  "mv f g",
  "ln f h",
  "truncate -s 0 f",
  "rmdir e",
];
const tryAll = `cd "$0" && for change in ${changes.map((change) => `'${change}'`).join(" ")}; do (eval "$change") 2>/dev/null && echo "$change"; done; echo tried`;

for (const seccomp of profiles) {
  test(`F04 a read-only grant and the mounts below it refuse every change, seccomp ${seccomp}`, root, async () => {
    using folder = new HostFolder();
    for (const place of [folder.path, folder.mountTmpfs("sub")]) {
      writeFileSync(join(place, "f"), "text", { mode: 0o666 });
      mkdirSync(join(place, "e"));
    }
    for (const place of ["/grant", "/grant/sub"]) {
      const options = ["--seccomp", seccomp, "--dir", `${folder.path}::/grant`];
      const ran = await runSandbox([...options, "--", "sh", "-c", tryAll, place]);
      assert.is(ran.stdout, "tried\n", place);
    }
    assert.is(readFileSync(join(folder.path, "sub/f"), "utf8"), "text");
    const writable = await runSandbox(["--dir", `${folder.path}::/grant:rw`, "--", "sh", "-c", tryAll, "/grant"]);
    assert.ok(writable.stdout.split("\n").length > 6, "the same changes work in a writable grant");
  });

  test(`F05 nothing set-uid can be left in a writable grant or root, seccomp ${seccomp}`, compiler, async () => {
    using attacks = new Attacks("setuid-plant");
    using folder = new HostFolder();
    const options = ["--seccomp", seccomp, "--dir", `${folder.path}::/out:rw`];
    assertNoneWorked(await attacks.run(["setuid-plant", "/out"], options), 18);
    const rootfs = folder.unreachable("root");
    for (const name of ["tmp", "proc", "dev"]) mkdirSync(join(rootfs, name));
    copyFileSync(attacks.path("setuid-plant"), join(rootfs, "setuid-plant"));
    const ran = await runSandbox(["--seccomp", seccomp, "--rootfs", `${rootfs}:rw`, "--", "/setuid-plant", "/"]);
    const worked = ran.stdout.split("\n").filter((line) => line.endsWith(" ok"));
    assert.equal(worked, ["rename-in ok"], ran.stderr); // a plain file, inside one file system
    assert.is(execFileSync("find", [folder.path, "-perm", "/6000"], { encoding: "utf8" }), "");
  });

  test(`F07 set-uid files and device nodes of a grant or root give nothing, seccomp ${seccomp}`, compiler, async () => {
    using attacks = new Attacks("whoami");
    using folder = new HostFolder();
    copyFileSync(attacks.path("whoami"), join(folder.path, "whoami"));
    chmodSync(join(folder.path, "whoami"), 0o6755);
    chmodSync(folder.path, 0o755);
    for (const [name, minor] of [
      ["null", "3"],
      ["kmsg", "11"],
    ] as const)
      execFileSync("mknod", ["-m", "666", join(folder.path, name), "c", "1", minor]);
    const [job, granted] = [
      ["--seccomp", seccomp, "--user", "1000"],
      ["--dir", `${folder.path}::/grant:rw`],
    ];
    const ids = [
      await runSandbox([...job, ...granted, "--", "/grant/whoami"]),
      await runSandbox([...job, "--rootfs", folder.path, "--", "/whoami"]),
    ];
    assert.equal(
      ids.map((ran) => ran.stdout),
      ["1000 1000 1000 1000\n", "1000 1000 1000 1000\n"],
    );
    const script = "cat /grant/null; cat /grant/kmsg; echo x > /grant/null";
    const open = await runScript(script, [...job, ...granted]);
    assert.equal([open.stdout, open.stderr.match(/Permission denied/g)?.length], ["", 3]);
  });
}

test(
  "F05 what the job makes in a grant belongs to the folder's owner, and other owners' files stay theirs",
  root,
  async () => {
    using folder = new HostFolder();
    chownSync(folder.path, 1234, 2345);
    writeFileSync(join(folder.path, "secret"), "x", { mode: 0o600 });
    for (const user of ["0", "1000:1001"]) {
      const script = "id -u; stat -c %u:%g /grant; echo x > /grant/made; cat /grant/secret; echo x > /grant/secret";
      const ran = await runScript(script, ["--user", user, "--dir", `${folder.path}::/grant:rw`]);
      const [uid = "", gid = uid] = user.split(":");
      assert.is(ran.stdout, `${uid}\n${uid}:${gid}\n`);
      const { uid: owner, gid: group } = statSync(join(folder.path, "made"));
      assert.equal([owner, group], [1234, 2345]);
      rmSync(join(folder.path, "made"));
    }
  },
);

test("F05 a single file can be granted, and a missing source is named", root, async () => {
  using folder = new HostFolder();
  writeFileSync(join(folder.path, "one"), "content");
  const ran = await runScript("cat /etc/one; ls /etc/passwd; echo x > /etc/one", [
    "--dir",
    `${join(folder.path, "one")}::/etc/one`,
  ]);
  assert.is(ran.stdout, "content/etc/passwd\n");
  assert.is(readFileSync(join(folder.path, "one"), "utf8"), "content");
  const missing = await runScript("true", ["--dir", `${folder.path}/nothing::/x`]);
  assert.is(missing.code, 125);
  assert.match(missing.stderr, `${folder.path}/nothing`);
});

test("F13 grants apply in order, later ones inside and over earlier ones", root, async () => {
  using folder = new HostFolder();
  for (const name of ["a", "b", "c"]) {
    mkdirSync(join(folder.path, name));
    writeFileSync(join(folder.path, name, name), "");
  }
  mkdirSync(join(folder.path, "a/inner"));
  const dirs = [
    ["a", "/g"],
    ["b", "/g/inner"],
    ["c", "/h"],
    ["b", "/h"],
  ].flatMap(([name, at]) => ["--dir", `${folder.path}/${name}::${at}`]);
  assert.is((await runScript("echo /g/* /g/inner/* /h/*", dirs)).stdout, "/g/a /g/inner /g/inner/b /h/b\n");
});

test("F13 a mount on the root, /proc or /dev is refused before anything starts", root, async () => {
  for (const target of [
    "/",
    "//",
    "/x/..",
    "/proc",
    "/proc/1",
    "/proc/sys/",
    "/dev",
    "/dev/shm",
    "/tmp/../proc/self",
  ]) {
    for (const options of [
      ["--dir", `/usr::${target}`],
      ["--tmpfs", target],
    ]) {
      const ran = await runScript("echo started", options);
      assert.equal([ran.code, ran.stdout], [125, ""], options.join(" "));
    }
  }
});

test("F09 a tmpfs has the size and mode asked for, and bogus sizes are refused", root, async () => {
  const script = "stat -c %a /t; dd if=/dev/zero of=/t/f bs=64k count=64 2>&1 | grep -c 'No space'; stat -c %s /t/f";
  assert.is((await runScript(script, ["--tmpfs", "/t:1M"])).stdout, "1777\n1\n1048576\n");
  assert.is((await runScript("stat -c %a /t", ["--tmpfs", "/t"])).stdout, "1777\n");
  for (const size of ["0", "junk", "", "-1", "18446744073709551616", "9223372036854775809", "1e3", "NaN"]) {
    const ran = await runScript("echo started", ["--tmpfs", `/t:${size}`]);
    assert.equal([ran.code, ran.stdout], [125, ""], size);
  }
});

test("F12 the old root cannot be reached", compiler, async () => {
  using attacks = new Attacks("mount-attacks");
  for (const seccomp of profiles) {
    const expected = {
      climbing: "stays",
      "climbing-by-descriptor": "stays",
      chroot: "EPERM",
      pivot_root: "EPERM",
      "open_by_handle_at-root": "EPERM",
    };
    assertResults(await attacks.run(["mount-attacks"], ["--seccomp", seccomp]), expected);
  }
  const canary = mkdtempSync(join(tmpdir(), "podium-canary-"));
  try {
    const ran = await runScript(
      `ls -d /oldroot /.old* /put_old ${canary} /proc/*/root${canary} /work /boot 2>/dev/null; find /mnt /opt /srv -mindepth 1`,
    );
    assert.is(ran.stdout, "");
  } finally {
    rmSync(canary, { recursive: true });
  }
});
