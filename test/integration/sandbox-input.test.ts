// What cannot be had is refused: one sentence, the mend, exit code 125, nothing started and nothing left.
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { root } from "../support/runner/catalog.ts";
import { podiumScript, type Ran, runSandbox, startProgram } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const test = suite("podium sandbox: what it refuses");
const needs = requires("root", "libseccomp");

/** Two lines at most, both podium's: what failed and why, and the mend. */
function assertRefused(ran: Ran, message: RegExp, about: string): void {
  assert.is(ran.code, 125, `${about}: ${ran.stderr}`);
  assert.is(ran.stdout, "", about);
  assert.match(ran.stderr, /^podium: [^\n]+\n( {2}[^\n]+\n)?$/, about);
  assert.match(ran.stderr, message, about);
}

async function refuses(args: readonly string[], message: RegExp): Promise<void> {
  assertRefused(await runSandbox(args), message, args.join(" ").slice(0, 100));
}

test("no command and an empty one", needs, async () => {
  await refuses([], /missing required argument 'command'/);
  await refuses(["--"], /missing required argument 'command'/);
  await refuses(["--", ""], /the command is empty\n {2}name a program to run/);
  await refuses(["--no-such-option", "--", "echo", "started"], /unknown option '--no-such-option'/);
});

test("limits that are no number, negative, zero or beyond what the kernel takes", needs, async () => {
  for (const value of ["NaN", "-5", "0", "8E", "1e400", "99999P", "64 M", ""]) {
    await refuses([`--memory=${value}`, "--", "echo", "started"], /is not a size; write it like 64M/);
  }
  for (const value of ["NaN", "-1", "0", "1e400", "Infinity", "half"]) {
    await refuses([`--cpus=${value}`, "--", "echo", "started"], /is not a number of cores; write it like 2 or 0\.5/);
  }
  await refuses(["--cpus=0.001", "--", "echo", "started"], /0\.001 is too low: the least .* 0\.01 cores/);
  await refuses(["--cpus=99999999999999", "--", "echo", "started"], /is too high: ask for the number of cores/);
  for (const value of ["0", "-1", "1.5", "NaN", "9223372036854775808"]) {
    await refuses([`--pids=${value}`, "--", "echo", "started"], /is not a whole number from 1 up/);
  }
  await refuses(["--pids=999999999", "--", "echo", "started"], /at most 4194304 processes/);
  for (const value of ["0", "-1s", "soon", "NaN"]) {
    await refuses([`--timeout=${value}`, "--", "echo", "started"], /is not a duration; write it like 500ms/);
  }
  await refuses(["--timeout=1000000d", "--", "echo", "started"], /longer than ten years\n {2}leave it out/);
  await refuses(["--io=0", "--", "echo", "started"], /is not a size/);
});

test("L22 a tiny memory limit either runs or says that it is too low", needs, async () => {
  await refuses(["--memory=512K", "--", "echo", "started"], /524288 is too low to start a command: ask for at least/);
  for (const limit of ["1M", "1200K", "1500K", "2M", "3M", "4M", "8M"]) {
    const ran = await runSandbox([`--memory=${limit}`, "--", "echo", "started"]);
    if (ran.code === 0) assert.equal([ran.stdout, ran.stderr], ["started\n", ""], limit);
    else if (ran.code === 137)
      assert.match(ran.stderr, /^podium: OOM: out of memory \(limit [\d.]+M, peak [\d.]+M\)\n$/);
    else
      assertRefused(ran, /START_FAILED: limits\.memory: [\d.]+M is too low to start the command; give it more/, limit);
    if (limit === "8M") assert.is(ran.code, 0, ran.stderr);
  }
});

test("a root, folders and places in it that cannot be", needs, async () => {
  using folder = temporaryFolder();
  await refuses(
    ["--rootfs=/nonexistent", "--", "true"],
    /rootfs: \/nonexistent does not exist on the server\n {2}name/,
  );
  await refuses(["--rootfs=/etc/passwd", "--", "true"], /rootfs: \/etc\/passwd is not a folder\n {2}name the folder/);
  const rootfs = join(folder.path, "root");
  mkdirSync(rootfs);
  await refuses([`--rootfs=${rootfs}:rw`, "--", "true"], /the rootfs has no folder \/dev, .* make it first/);
  await refuses(
    [`--rootfs=${folder.path}:rw`, "--", "true"],
    /can be reached by every user of the host, .*\n {2}put it below a folder that only root can search \(chmod 700\)/,
  );
  await refuses(
    [`--rootfs=${rootfs}:ro`, "--rootfs-size=1M", "--", "true"],
    /rootfs.size: bounds what an overlay takes, and the mode is ro/,
  );
  await refuses(["--dir=/nonexistent", "--", "true"], /dir\[0\]: \/nonexistent does not exist on the server\n {2}name/);
  await refuses(["--dir=", "--", "true"], /"" names no folder; write it like/);
  await refuses(["--dir=/etc::x", "--", "true"], /dir\[0\]: "x" is not an absolute path\n {2}begin it with \//);
  await refuses(["--dir=/etc::/a::/b", "--", "true"], /has more than one "::"/);
  await refuses(["--dir=/etc::/", "--", "true"], /the root itself cannot be mounted over\n {2}use --rootfs/);
  await refuses(["--dir=/etc::/proc/x", "--", "true"], /\/proc\/x is podium's own there\n {2}choose a place outside/);
  await refuses(["--dir=/proc::/p", "--", "true"], /the file system of \/proc cannot be id-mapped/);
  await refuses(["--cwd=here", "--", "true"], /cwd: "here" is not an absolute path\n {2}begin it with \//);
  await refuses(["--cwd=/nope", "--", "true"], /START_FAILED: cwd: \/nope: no such folder in the job's root/);
  await refuses(["--cwd=/etc/passwd", "--", "true"], /START_FAILED: cwd: \/etc\/passwd: is not a folder/);
});

test("users, names, variables, networks and profiles that cannot be", needs, async () => {
  await refuses(
    ["--user=70000", "--", "true"],
    /user\.uid: 70000 is not an id of the job\n {2}use a number from 0 to 65535/,
  );
  await refuses(["--user=1:70000", "--", "true"], /user\.gid: 70000 is not an id/);
  await refuses(["--user=a:b:c", "--", "true"], /"a:b:c" is not USER or USER:GROUP; write it like 1000/);
  await refuses(["--user=-1", "--", "true"], /user\.name: there is no user "-1" in the root's \/etc\/passwd/);
  await refuses(["--hostname=a\nb", "--", "true"], /hostname: "a\\nb" is no host name\n {2}use at most 63/);
  await refuses([`--hostname=${"h".repeat(64)}`, "--", "true"], /is no host name/);
  await refuses(["--env=NOVALUE", "--", "true"], /env: "NOVALUE" is not NAME=VALUE/);
  await refuses(["--env==value", "--", "true"], /is not NAME=VALUE/);
  await refuses(["--net=host", "--", "true"], /--net <MODE>.*host.*none, bridge/);
  await refuses(["--allow", "192.0.2.1", "--", "true"], /--allow: there is no network with --net none/);
  await refuses(["--net=bridge", "--allow", "nonsense", "--", "true"], /--allow: "nonsense" is not CIDR/);
  await refuses(
    ["--seccomp=/nonexistent", "--", "true"],
    /\/nonexistent: the seccomp profile cannot be read \(ENOENT\)/,
  );
  await refuses(["--seccomp=/etc/passwd", "--", "true"], /\/etc\/passwd: is not JSON/);
});

test("arguments and environment that the kernel or the text of a request cannot carry", needs, async () => {
  const large = Array.from({ length: 12 }, (_, i) => ["-e", `V${i}=${"x".repeat(100_000)}`]).flat();
  await refuses(
    [...large, "--", "true"],
    /arguments and environment are 1200\d+ bytes together, at most 1048576\n {2}pass/,
  );
  const fits = Array.from({ length: 9 }, (_, i) => ["-e", `V${i}=${"x".repeat(110_000)}`]).flat();
  assert.is((await runSandbox([...fits, "--", "sh", "-c", "echo -n $V8 | wc -c"])).stdout, "110000\n");

  const bytes = startProgram("sh", ["-c", `exec "$0" sandbox -- echo "$(printf '\\377')"`, podiumScript], {
    input: "",
  });
  const ended = await bytes.ended;
  assertRefused({ ...ended, stdout: ended.stdout.toString() }, /is not UTF-8\n {2}pass such bytes in a file/, "0xff");
  assert.is((await runSandbox(["--", "printf", "\ufffd"])).stdout, "\ufffd");
});

test("somebody who is not root", needs, async () => {
  const reads = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]; // the checkout may be root's alone
  const program = ["node", join(root, "dist/podium.js"), "sandbox", "--", "true"];
  const args = ["--reuid=65534", "--clear-groups", ...reads, ...program];
  const ended = await startProgram("setpriv", args, { input: "" }).ended;
  assertRefused({ ...ended, stdout: ended.stdout.toString() }, /needs root\n {2}run it as root/, "not root");
});

/** Runs podium in a mount namespace that `prepare` has changed. */
async function runWhere(prepare: string): Promise<Ran> {
  const script = `set -e; ${prepare}; exec "$0" sandbox -- echo started`;
  const ended = await startProgram("unshare", ["-m", "sh", "-c", script, podiumScript], { input: "" }).ended;
  return { ...ended, stdout: ended.stdout.toString() };
}

test("a host without libseccomp", needs, async () => {
  const hide = "for f in $(/sbin/ldconfig -p | grep -o '/[^ ]*libseccomp.so.2$'); do mount --bind /dev/null $f; done";
  assertRefused(
    await runWhere(hide),
    /libseccomp\.so\.2, which this host does not have: apt-get install libseccomp2/,
    hide,
  );
});

test("a host without control groups, or with read-only ones", needs, async () => {
  assertRefused(await runWhere("umount -R /sys/fs/cgroup"), /no control groups: .* mount -t cgroup2/, "no cgroups");
  const readOnly = await runWhere(
    "for m in $(grep -o ' /sys/fs/cgroup[^ ]*' /proc/self/mounts | sort -r); do mount -o remount,bind,ro $m; done",
  );
  assertRefused(readOnly, /mounted read-only/, "read-only cgroups");
});

test("a /run in which nothing can be made leaves nothing behind", needs, async () => {
  assertRefused(await runWhere("mount -t tmpfs -o ro none /run"), /\/run\/podium/, "read-only /run");
  const list = "ls -A /run/podium | grep -v '^ids$' | wc -l";
  const full = `mount -t tmpfs -o size=64k,nr_inodes=6 none /run; "$0" sandbox -- echo started || ${list}; exit 125`;
  const { code, stdout, stderr } = await runWhere(full);
  assert.equal([code, stdout], [125, "0\n"], stderr);
  assert.match(stderr, /^podium: ENOSPC: [^\n]+\n$/);
});

test("a podium without its zygote program, or with one that ends", needs, async () => {
  using folder = temporaryFolder();
  const copy = join(folder.path, "dist");
  cpSync(join(root, "dist"), copy, { recursive: true, filter: (path) => !path.endsWith("zygote.cjs") });
  for (const name of ["node_modules", "package.json"]) symlinkSync(join(root, name), join(folder.path, name));
  const run = async () => {
    const ended = await startProgram("node", [join(copy, "podium.js"), "sandbox", "--", "true"], { input: "" }).ended;
    return { ...ended, stdout: ended.stdout.toString() };
  };
  assertRefused(await run(), /zygote\.cjs is missing beside the program; build it with `npm run build`/, "no zygote");
  writeFileSync(join(copy, "zygote.cjs"), "process.exit(3);\n");
  assertRefused(await run(), /its zygote ended at once/, "a zygote that ends");
});
