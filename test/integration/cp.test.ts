// `podium cp` into and out of running jobs with the job's rights, and out of ended ones; and the users' own folders.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import * as assert from "uvu/assert";
import { TestServer } from "../support/server.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { failureOf } from "../support/tls-peers.ts";
import { LiveServer } from "./live-server.ts";

const test = suite("podium cp");
const root = requires("root", "libseccomp");

test("files and folders go into a running job and come out, as its user, with progress to nobody", root, async () => {
  using place = temporaryFolder();
  mkdirSync(join(place.path, "tree/inner"), { recursive: true });
  writeFileSync(join(place.path, "tree/inner/f"), Buffer.alloc(300_000, "x"), { mode: 0o640 });
  symlinkSync("inner/f", join(place.path, "tree/l"));
  await using server = await TestServer.start();
  const script = "umask 077; mkdir -p /tmp/place; echo here > /tmp/place/own; sleep 100";
  await server.podium("alice", ["start", "--name", "box", "-u", "7:8", "-w", "/tmp", "--", "sh", "-c", script]);
  const cp = (...args: string[]) => server.podium("alice", ["cp", ...args], { cwd: place.path });
  const fine = async (...args: string[]) => {
    const { code, stdout, stderr } = await cp(...args);
    assert.equal([code, stdout, stderr], [0, "", ""], args.join(" "));
  };
  await fine("tree", "box:/tmp/place");
  await fine("tree/.", "1:place/contents");
  await fine("tree/inner/f", "box:renamed");
  await fine("box:/tmp/place", "back");
  await fine("box:renamed", ".");
  await fine("box:place/tree/.", "flat");
  assert.equal(readdirSync(join(place.path, "back")).sort(), ["contents", "own", "tree"]);
  assert.is(statSync(join(place.path, "back/tree/inner/f")).size, 300_000);
  assert.is(statSync(join(place.path, "back/tree/inner/f")).mode & 0o777, 0o640);
  assert.equal(readdirSync(join(place.path, "flat")).sort(), ["inner", "l"]);
  assert.is(statSync(join(place.path, "renamed")).size, 300_000);
  const refusals: readonly (readonly [readonly string[], RegExp])[] = [
    [["box:/nothing", "."], /^podium: \/nothing: there is no such file or folder in the job\n/],
    [["tree", "box:/usr/lib"], /is read-only in the job|the job's user may not/],
    [["absent", "box:/tmp"], /^podium: absent: there is no such file or folder\n/],
    [["tree", "back"], /^podium: cp: neither SRC nor DST is in a job\n {2}write the job's side as ID:PATH/],
    [["1:/a", "2:/b"], /^podium: cp: SRC and DST are both in a job\n/],
    [["99:/a", "."], /there is no job 99/],
  ];
  for (const [args, message] of refusals) {
    const refused = await cp(...args);
    assert.is(refused.code, 125, args.join(" "));
    assert.match(refused.stderr, message);
  }
  await server.podium("alice", ["stop", "box"]);
  assert.match((await cp("tree", "box:/tmp")).stderr, /job 1 has ended/);
  assert.match((await cp("box:/tmp/place", ".")).stderr, /has ended and kept no files/);
});

test("cp out of an ended job reads its work folder", root, async () => {
  using place = temporaryFolder();
  await using server = await TestServer.start();
  await server.podium("alice", ["run", "--download", "r::got", "--", "sh", "-c", "mkdir r; echo x > r/f"], {
    cwd: place.path,
  });
  for (const source of ["1:r", "1:/work/r"]) {
    using target = temporaryFolder();
    const copied = await server.podium("alice", ["cp", source, target.path]);
    assert.equal([copied.code, copied.stderr], [0, ""]);
    assert.is(readFileSync(join(target.path, "r/f"), "utf8"), "x\n");
  }
});

test(
  "F16 what copies is in the job: its root, ids, group, no capability; links and FIFOs of a hostile job gain nothing",
  root,
  async () => {
    await using server = await LiveServer.start();
    const [alice, bob] = [server.api("alice"), server.api("bob")];
    const script = `cd /tmp; ln -s / all; ln -s /etc/shadow shadow; mkfifo fifo; mkdir d; mkfifo d/fifo; ln -s ../../../../etc/hostname d/up
    echo from-the-job > /tmp/f; ln /tmp/f d/hard; echo ready > ready; while :; do sleep 0.1; done`;
    const id = await alice.startId({ argv: ["sh", "-c", script], hostname: "box" });
    const read = async (path: string) => {
      for (;;) {
        const got = await alice.get(id, path).catch((error) => error);
        if (got.code !== status.NOT_FOUND) return got as { tar: Buffer; notes: string[] };
      }
    };
    await read("/tmp/ready");
    assert.match((await read("/tmp/all/etc/hostname")).tar.toString("latin1"), "box\n");
    assert.match((await read("/tmp/d")).notes.join(), /files?\/fifo|d\/fifo: left out: is a FIFO/);
    assert.not.match((await read("/tmp/d")).tar.toString("latin1"), "box\n");
    for (const path of [
      "/tmp/fifo",
      "/proc/1/root/etc/hostname",
      "/etc/shadow",
      "/tmp/shadow/x",
      "/dev/zero",
      "/dev/null",
    ]) {
      const refusal = await failureOf(alice.get(id, path));
      assert.ok([status.FAILED_PRECONDITION, status.NOT_FOUND].includes(refusal.code), `${path}: ${refusal.details}`);
    }
    assert.is((await failureOf(bob.get(id, "/tmp/f"))).code, status.NOT_FOUND);
    assert.is((await failureOf(server.api("viewer").get(id, "/tmp/f"))).code, status.PERMISSION_DENIED);
    using place = temporaryFolder();
    writeFileSync(join(place.path, "x"), "planted");
    const planted = execFileSync("tar", [
      "-cf",
      "-",
      "-C",
      place.path,
      "--transform",
      "s,^x,top/../../../etc/x,",
      "-P",
      "x",
    ]);
    const refusal = await failureOf(alice.put({ id, path: "/tmp", name: "n" }, [planted]));
    assert.equal(
      [refusal.code, /would lead out/.test(refusal.details)],
      [status.INVALID_ARGUMENT, true],
      refusal.details,
    );
    await alice.stop({ id, signal: "KILL", graceMs: 0n });
  },
);

test("what copies has the job's ids, no capability, a filter, and cannot be looked into by the job", root, async () => {
  await using server = await LiveServer.start();
  const api = server.api();
  const program = `import glob, os, time
open("/tmp/sparse", "w").truncate(300 << 20)
print("ready", flush=True)
seen = None
while seen is None:
  for folder in glob.glob("/proc/[0-9]*"):
    try: lines = open(folder + "/status").read().split("\\n")
    except OSError: continue
    fields = dict(line.split(":\\t", 1) for line in lines if ":\\t" in line)
    if int(folder[6:]) != os.getpid() and fields.get("Seccomp") == "2" and folder != "/proc/1": seen = folder; break
for name in ["Uid", "CapEff", "CapPrm", "CapBnd", "CapAmb", "NoNewPrivs"]: print(name, fields[name])
print("same group", open(seen + "/cgroup").read() == open("/proc/self/cgroup").read())
for name in ["mem", "environ", "maps"]:
  try: open(seen + "/" + name).read(1); print(name, "READ")
  except OSError as error: print(name, "refused")
`;
  const id = await api.startId({ argv: ["python3", "-c", program], user: { uid: 7, gid: 8, name: "" } });
  while (!server.jobFile(id, "stdout").includes("ready")) await new Promise((resolve) => setTimeout(resolve, 20));
  const copied = api.get(id, "/tmp/sparse").catch(() => null);
  await api.wait(id);
  await copied;
  const none = "0000000000000000";
  const facts = [
    "ready",
    "Uid 7\t7\t7\t7",
    ...["CapEff", "CapPrm", "CapBnd", "CapAmb"].map((name) => `${name} ${none}`),
  ];
  const closed = ["NoNewPrivs 1", "same group True", "mem refused", "environ refused", "maps refused"];
  assert.is(server.jobFile(id, "stdout"), [...facts, ...closed, ""].join("\n"));
});

test("a user's own folder is made on first use, kept between jobs, and nobody else's", root, async () => {
  await using server = await TestServer.start();
  const run = (user: string, ...args: string[]) => server.podium(user, ["run", ...args]);
  const write = await run(
    "alice",
    "--dir",
    "home::/mine:rw",
    "--",
    "sh",
    "-c",
    "id -u; stat -c %u /mine; mkdir /mine/d; echo kept > /mine/d/f",
  );
  assert.equal([write.stdout, write.stderr], ["0\n0\n", ""]);
  assert.is((await run("alice", "--dir", "home/d::/d", "-u", "5", "--", "cat", "/d/f")).stdout, "kept\n");
  const homes = join(server.data, "home");
  assert.is((await run("alice", "--dir", `${homes}/alice::/h`, "--", "cat", "/h/d/f")).stdout, "kept\n");
  assert.equal(readdirSync(homes), ["alice"]);
  assert.is((await run("bob", "--dir", "home::/mine:rw", "--", "ls", "/mine")).stdout, "");
  const owners = ["alice", "bob"].map((name) => statSync(join(homes, name)));
  assert.ok(owners.every(({ uid, mode }) => uid > 0x80000000 && (mode & 0o777) === 0o700));
  assert.is.not(owners[0]?.uid, owners[1]?.uid);
  assert.is(statSync(join(homes, "alice/d/f")).uid, owners[0]?.uid);
  assert.is(statSync(server.data).mode & 0o077, 0);
  await run(
    "alice",
    "--dir",
    "home::/mine:rw",
    "--",
    "sh",
    "-c",
    "ln -s /etc /mine/etc; ln -s ../bob /mine/bob; ln -s ../../jobs /mine/jobs",
  );
  for (const source of [`${homes}/bob`, homes, "home/../bob", "home/etc", "home/bob", "home/jobs", `${homes}/alicex`]) {
    const refused = await run("alice", "--dir", `${source}::/x`, "--", "ls", "/x");
    assert.equal([refused.code, refused.stdout], [125, ""], source);
    assert.match(refused.stderr, /may not be named by alice|podium's own|does not exist/, source);
  }
  assert.match(
    (await run("alice", "--dir", "home", "--", "true")).stderr,
    /its place in the job is not given\n {2}write it like home::/,
  );
  assert.not.ok(existsSync(join(homes, "alicex")));
});
