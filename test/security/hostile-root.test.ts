// Root file systems that somebody else filled, against what podium does in them before the command starts.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { runSandbox } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";
import { Attacks } from "./attacks.ts";
import { HostFolder } from "./host-folder.ts";

const test = suite("hostile roots");
const root = requires("root", "libseccomp");
const compiler = requires("root", "libseccomp", "gcc");

test("F01 a root of the job's own, full of links, leads to nothing outside", root, async () => {
  using folder = new HostFolder();
  using outside = new HostFolder();
  const marker = join(outside.path, "marker");
  writeFileSync(marker, "host");
  for (const [name, target] of [
    ["out", outside.path],
    ["up", "../../../../../../.."],
    ["self", "/proc/self/root"],
  ] as const)
    symlinkSync(target, join(folder.path, name));
  for (const mode of ["overlay", "ro"]) {
    const options = [
      "--rootfs",
      `${folder.path}:${mode}`,
      "--dir",
      "/usr",
      "--dir",
      "/usr/lib::/lib",
      "--dir",
      "/lib64::/lib64",
    ];
    const script = `for p in /out /up${outside.path} /self${outside.path}; do echo job > $p/marker && echo wrote; done; echo x > /new; rm -f /out; true`;
    const ran = await runSandbox([...options, "--", "/usr/bin/sh", "-c", script]);
    assert.equal([ran.code, ran.stdout], [0, ""], ran.stderr);
  }
  assert.is(readFileSync(marker, "utf8"), "host");
  assert.not.ok(existsSync(join(folder.path, "new")), "the folder behind an overlay is never written");
  assert.ok(existsSync(join(folder.path, "out")));
});

test(
  "F01 the links that a job makes in a root it may write lead it nowhere outside, now or in the next job",
  compiler,
  async () => {
    using folder = new HostFolder();
    using outside = new HostFolder();
    const marker = join(outside.path, "marker");
    writeFileSync(marker, "host");
    const rootfs = folder.unreachable("root");
    for (const name of ["usr", "lib", "lib64", "proc", "dev", "tmp"]) mkdirSync(join(rootfs, name));
    const options = ["--rootfs", `${rootfs}:rw`, "--dir", "/usr", "--dir", "/usr/lib::/lib", "--dir", "/lib64::/lib64"];
    const plant = `ln -s ${outside.path} /out; ln -s ../../../..${outside.path} /up; ln -s /proc/self/root /self; ln -s / /tmp/root`;
    const attack = `for p in /out /up /self${outside.path} /tmp/root${outside.path}; do echo job > $p/marker && echo wrote; done 2>/dev/null; true`;
    const first = await runSandbox([...options, "--", "/usr/bin/sh", "-c", `${plant}; ${attack}; echo kept > /kept`]);
    assert.equal([first.code, first.stdout], [0, ""], first.stderr);
    const next = await runSandbox([...options, "--dir", `${folder.path}::/out/x`, "--", "/usr/bin/sh", "-c", attack]);
    assert.is(next.code, 125, "a place behind a link that leads out is none");
    assert.equal((await runSandbox([...options, "--", "/usr/bin/sh", "-c", attack])).stdout, "");
    assert.is(readFileSync(marker, "utf8"), "host");
    assert.is(readFileSync(join(rootfs, "kept"), "utf8"), "kept\n");
  },
);

test("F02 links where podium mounts in a hostile root are refused, and lead nowhere", compiler, async () => {
  using attacks = new Attacks("whoami");
  using outside = new HostFolder();
  for (const mode of ["overlay", "ro", "rw"]) {
    for (const name of ["proc", "dev"]) {
      for (const target of [outside.path, "/", "/etc", "nothing", "."]) {
        using folder = new HostFolder();
        const rootfs = folder.unreachable("root");
        copyFileSync(attacks.path("whoami"), join(rootfs, "whoami"));
        mkdirSync(join(rootfs, name === "proc" ? "dev" : "proc"));
        symlinkSync(target, join(rootfs, name));
        const ran = await runSandbox(["--rootfs", `${rootfs}:${mode}`, "--", "/whoami"]);
        assert.equal([ran.code, ran.stdout], [125, ""], `${mode} ${name} -> ${target}`);
        assert.match(ran.stderr, `/${name}`);
      }
    }
  }
  assert.is(execFileSync("find", [outside.path, "-mindepth", "1"], { encoding: "utf8" }), "");
});

test(
  "F03 files that podium shows in a hostile root follow no link out, and a FIFO holds nothing up",
  compiler,
  async () => {
    using attacks = new Attacks("whoami");
    using outside = new HostFolder();
    const victim = join(outside.path, "victim");
    writeFileSync(victim, "host");
    const run = async (mode: string, hosts: string) => {
      using folder = new HostFolder();
      const rootfs = folder.unreachable("root");
      copyFileSync(attacks.path("whoami"), join(rootfs, "whoami"));
      for (const name of ["etc", "proc", "dev", "dev/pts", "dev/mqueue", "dev/shm"]) mkdirSync(join(rootfs, name));
      writeFileSync(join(rootfs, "etc/real"), "");
      symlinkSync(hosts, join(rootfs, "etc/hosts"));
      execFileSync("mkfifo", [join(rootfs, "etc/passwd")]);
      const ran = await runSandbox(["--rootfs", `${rootfs}:${mode}`, "--timeout", "5s", "--", "/whoami"]);
      assert.is(readlinkSync(join(rootfs, "etc/hosts")), hosts);
      return ran;
    };
    for (const mode of ["overlay", "ro"]) {
      assert.equal((await run(mode, "/etc/real")).stdout, "0 0 0 0\n", "a link inside the root is followed there");
      for (const target of [victim, `../../../../../..${victim}`, "/proc/1/root/etc/hosts"]) {
        // It leads nowhere in the root: in the job's own layer a file takes its place.
        const ran = await run(mode, target);
        assert.equal([ran.code, ran.stdout], [0, "0 0 0 0\n"], `${mode} ${target}: ${ran.stderr}`);
      }
    }
    assert.is((await run("rw", victim)).stdout, "0 0 0 0\n", "in a rw root podium shows no files of its own");
    assert.is(readFileSync(victim, "utf8"), "host");
  },
);
