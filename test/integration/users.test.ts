// `--user NAME[:GROUP]`: whose ids a command gets, in `podium sandbox`, `run` and `exec`.
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { BusyboxRoot } from "../support/busybox-root.ts";
import { runSandbox } from "../support/sandbox.ts";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("users by name");
const root = requires("root", "libseccomp");

const who = ["--", "sh", "-c", "id -u; id -g; id -G; echo $HOME"];
const told = (uid: number, gid: number, home: string) => `${uid}\n${gid}\n${gid}\n${home}\n`;

/** Its worker is in two groups, of which the second is a supplementary one. */
class Peopled extends BusyboxRoot {
  constructor() {
    super();
    writeFileSync(
      join(this.path, "etc/passwd"),
      "root:x:0:0:root:/root:/bin/sh\nworker:x:1000:50::/home:/bin/sh\nfar:x:70000:1::/:/bin/sh\n",
    );
    writeFileSync(join(this.path, "etc/group"), "root:x:0:\nstaff:x:50:\naudio:x:29:worker\n");
  }
}

test("names are those of the rootfs, with its groups and HOME, and no supplementary group", root, async () => {
  using rootfs = new Peopled();
  const before = rootfs.hash();
  const cases: readonly [string, string][] = [
    ["worker", told(1000, 50, "/home")],
    ["1000", told(1000, 50, "/home")],
    ["1001:audio", told(1001, 29, "/")],
  ];
  for (const [user, wanted] of cases) {
    const mode = user === "worker" ? "ro" : "overlay";
    const ran = await runSandbox(["--rootfs", `${rootfs.path}:${mode}`, "-u", user, ...who]);
    assert.equal([ran.stdout, ran.stderr], [wanted, ""], user);
  }
  const refusals: readonly [string, RegExp][] = [
    ["daemon", /user\.name: there is no user "daemon" in the root's \/etc\/passwd\n {2}use one that is there/],
    ["far", /user\.uid: 70000 is not an id of the job/],
  ];
  for (const [user, reason] of refusals) {
    const ran = await runSandbox(["--rootfs", rootfs.path, "-u", user, ...who]);
    assert.equal([ran.code, ran.stdout], [125, ""], user);
    assert.match(ran.stderr, reason);
  }
  assert.is(rootfs.hash(), before);
});

test("without a rootfs there are root and nobody", root, async () => {
  const nobody = await runSandbox(["-u", "nobody", "--", "sh", "-c", "id; echo $HOME; touch $HOME/a && echo w"]);
  assert.equal(
    [nobody.stdout, nobody.stderr],
    ["uid=65534(nobody) gid=65534(nogroup) groups=65534(nogroup)\n/home/user\nw\n", ""],
  );
});

test(
  "run and start take names, refuse unknown ones before anything is made, and cp has the same ids",
  root,
  async () => {
    using rootfs = new Peopled();
    const rules = [{ path: rootfs.path, users: ["*"], write: true }];
    await using server = await TestServer.start({ config: { folders: rules } });
    const alice = (...args: string[]) => server.podium("alice", args);
    const on = ["--rootfs", rootfs.path];
    assert.is((await alice("run", ...on, "-u", "worker", ...who)).stdout, told(1000, 50, "/home"));
    const refused = await alice("run", ...on, "-u", "daemon", "true");
    assert.equal([refused.code, refused.stdout], [125, ""]);
    assert.match(refused.stderr, /user\.name: there is no user "daemon" in the root's \/etc\/passwd/);
    assert.is(JSON.parse((await alice("ps", "-a", "-o", "json")).stdout).length, 1, "it was never a job");
    await alice("start", ...on, "-u", "worker", "--name", "box", "-w", "/tmp", "--", "sh", "-c", "sleep 1000");
    const copied = await alice("cp", "/etc/hostname", "box:/home/copied");
    assert.match(copied.stderr, /the job's user may not/);
  },
);

test("exec looks names up in the job as it is now, with the rights of the job's own user", root, async () => {
  using rootfs = new Peopled();
  const rules = [{ path: rootfs.path, users: ["*"], write: true }];
  await using server = await TestServer.start({ config: { folders: rules } });
  const alice = (...args: string[]) => server.podium("alice", args);
  await alice("start", "--rootfs", rootfs.path, "--name", "box", "--", "sleep", "1000");
  const as = (user: string) => alice("exec", "-u", user, "box", ...who);
  assert.is((await as("worker")).stdout, told(1000, 50, "/home"));
  assert.is((await as("1000:audio")).stdout, told(1000, 29, "/home"));
  const unknown = await as("later");
  assert.equal([unknown.code, unknown.stdout], [125, ""]);
  assert.match(unknown.stderr, /job 1: exec: user: there is no user "later" in the root's \/etc\/passwd/);
  await alice("exec", "box", "sh", "-c", "echo later:x:7:8::/tmp:/bin/sh >> /etc/passwd");
  assert.is((await as("later")).stdout, told(7, 8, "/tmp"));
  assert.match((await as("far")).stderr, /user\.uid: 70000 is not an id of the job/);
  const hostile: readonly [string, RegExp][] = [
    ["mkfifo /etc/passwd", /the root's \/etc\/passwd is not a regular file/],
    ["ln -s /proc/self/fd/1 /etc/passwd", /the root's \/etc\/passwd cannot be read \(ELOOP\)/],
    ["dd if=/dev/zero of=/etc/passwd bs=1M count=2 2> /dev/null", /has 2097152 bytes/],
    ["true", /there is no user "worker"/],
  ];
  for (const [change, reason] of hostile) {
    const changed = await alice("exec", "box", "sh", "-c", `rm -f /etc/passwd; ${change}`);
    assert.equal([changed.code, changed.stderr], [0, ""], change);
    assert.match((await as("worker")).stderr, reason, change);
  }
  assert.is((await as("7:8")).stdout, told(7, 8, "/"), "ids need no file");
});

test("exec in a job of another user reads what that user may read", root, async () => {
  using rootfs = new Peopled();
  chmodSync(join(rootfs.path, "etc/group"), 0o600);
  const rules = [{ path: rootfs.path, users: ["*"], write: true }];
  await using server = await TestServer.start({ config: { folders: rules } });
  const alice = (...args: string[]) => server.podium("alice", args);
  await alice("start", "--rootfs", rootfs.path, "-u", "worker", "--name", "box", "--", "sleep", "1000");
  assert.is((await alice("exec", "box", ...who)).stdout, told(1000, 50, "/home"));
  assert.is((await alice("exec", "-u", "root", "box", ...who)).stdout, told(0, 0, "/root"));
  const refused = await alice("exec", "-u", "root:staff", "box", ...who);
  assert.match(refused.stderr, /user: the root's \/etc\/group cannot be read \(EACCES\)/);
});
