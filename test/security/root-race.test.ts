// A root that somebody changes while podium works in it (CVE-2025-31133, -52565, -52881, CVE-2024-21626, CVE-2019-14271),
// and what init does with it: nothing.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { startProgram, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { Attacks } from "./attacks.ts";
import { HostFolder } from "./host-folder.ts";

const test = suite("roots in motion");
const compiler = requires("root", "libseccomp", "gcc");
/** Without the networks of other servers of this host. */
const mountinfo = () =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => !line.includes("/run/netns"));
const jobs = 30;

/** A root with the program, and beside `place` a link that leads to the host. */
function rootWith(program: string, place: string, outside: string): HostFolder {
  const folder = new HostFolder();
  const tree = join(folder.path, "tree");
  for (const name of ["", "proc", "dev", "dev/pts", "dev/shm", "dev/mqueue", "etc", "tmp", "data"]) {
    mkdirSync(join(tree, name), { recursive: true });
  }
  for (const name of ["hosts", "hostname"]) writeFileSync(join(tree, "etc", name), "");
  copyFileSync(program, join(tree, "whoami"));
  symlinkSync(outside, join(folder.path, "link"));
  mkdirSync(join(tree, place), { recursive: true });
  return folder;
}

for (const place of ["proc", "dev", "etc", "data", "."]) {
  test(
    `F02 ${place === "." ? "the root itself" : place} swapped for a link to the host leads nowhere`,
    compiler,
    async () => {
      using attacks = new Attacks("whoami", "swapper");
      using outside = new HostFolder();
      for (const name of ["hosts", "canary"]) writeFileSync(join(outside.path, name), "host");
      using folder = rootWith(attacks.path("whoami"), place === "." ? "" : place, outside.path);
      await using zygote = await TestZygote.open();
      const tree = join(folder.path, "tree");
      const before = mountinfo();
      const target = place === "." ? tree : join(tree, place);
      const swapper = startProgram(attacks.path("swapper"), [target, join(folder.path, "link")]);
      const ends = new Set<string>();
      try {
        await swapper.sees("swapping");
        const grants = [{ source: attacks.folder, target: "/data", writable: false }];
        for (let i = 0; i < jobs; i++) {
          const mode = ["overlay", "ro", "rw"][i % 3] as string;
          const rootfs = { path: tree, mode };
          const ended = await zygote.run(["/whoami"], { rootfs, grants }).catch((error: Error) => error);
          if (ended instanceof Error) {
            assert.match(ended.name, /^RequestError$/, ended.message); // resolved to the link's target at that moment
            ends.add("refused");
            continue;
          }
          const { record, stdout } = ended;
          assert.ok(["EXITED", "START_FAILED"].includes(record.cause), record.message);
          if (record.cause === "EXITED") assert.is(stdout, "0 0 0 0\n");
          ends.add(record.cause);
        }
      } finally {
        swapper.child.stdin?.end();
        const { stderr } = await swapper.ended;
        assert.is(stderr, "");
      }
      assert.equal(readdirSync(outside.path).sort(), ["canary", "hosts"]);
      for (const name of ["hosts", "canary"]) assert.is(readFileSync(join(outside.path, name), "utf8"), "host");
      assert.equal(mountinfo(), before);
      assert.ok(ends.size > 0);
    },
  );
}

/** Calls that walk a path, of one process, from a strace log with `-f`. */
function pathsOf(log: string, pid: number): string[] {
  const lines = log.split("\n").filter((line) => line.startsWith(`${pid} `) && !line.includes(" resumed>"));
  return lines.flatMap((line) => [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].slice(0, 1).map((match) => match[1] ?? ""));
}

test(
  "F03 strace: init walks no path of the job's root, and the command loads nothing from it before exec",
  requires("root", "libseccomp", "gcc", "strace"),
  async () => {
    using attacks = new Attacks("whoami");
    using outside = new HostFolder();
    using folder = rootWith(attacks.path("whoami"), "", outside.path);
    await using zygote = await TestZygote.open();
    const log = join(folder.path, "strace.log");
    const calls = "trace=%file,pivot_root,execve,chdir,chroot";
    const strace = startProgram(
      "strace",
      ["-f", "-qq", "-s", "4096", "-e", calls, "-o", log, "-p", String(zygote.client.pid)],
      { input: "" },
    );
    const attached = /^TracerPid:\s+[1-9]/m;
    while (!attached.test(readFileSync(`/proc/${zygote.client.pid}/status`, "utf8"))) {
      assert.is(strace.child.exitCode, null, "strace runs");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const tree = join(folder.path, "tree");
    const job = await zygote.start({ argv: ["/whoami"], rootfs: { path: tree, mode: "overlay" } });
    assert.is((await job.finished).stdout, "0 0 0 0\n");
    strace.child.kill("SIGTERM");
    await strace.ended;
    const text = readFileSync(log, "utf8");
    const ofInit = pathsOf(text, job.initPid);
    assert.ok(ofInit.length > 5, "init was traced");
    const own = new RegExp(`^(${job.folder}(/|$)|/sys/fs/cgroup/|/proc/|/dev/null$)`); // all of the host's
    assert.equal(
      ofInit.filter((path) => path !== "" && !own.test(path)),
      [],
    );
    const lines = text.split("\n").filter((line) => line.startsWith(`${job.pid} `));
    const inside = lines.slice(lines.findIndex((line) => line.includes("pivot_root(")));
    const beforeExec = inside.slice(
      0,
      inside.findIndex((line) => line.includes("execve(")),
    );
    // /dev is podium's own by then, and nothing can be mounted over it.
    const stdinAtItsEnd = '"/dev/null", O_RDONLY';
    // Below a descriptor of the host's /proc.
    const namespaceLimit = /openat\(\d+, "sys\/user\/max_user_namespaces", O_WRONLY/;
    const known = (line: string) => line.includes(stdinAtItsEnd) || namespaceLimit.test(line);
    assert.ok(beforeExec.length > 1, "the command was traced");
    assert.equal(
      beforeExec.filter((line) => !known(line) && /\.so|nsswitch|localtime|passwd|\bopen(at2?)?\(/.test(line)),
      [],
    );
  },
);
