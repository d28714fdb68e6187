// `--rootfs`: what changes to an overlay may take, and that several jobs on one folder neither see each other nor change it.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { BusyboxRoot } from "../support/busybox-root.ts";
import { runSandbox, startSandbox, TestZygote } from "../support/sandbox.ts";
import { requires, suite } from "../support/suite.ts";

const test = suite("root file systems");
const root = requires("root", "libseccomp");

test("F10 a disk fill of an overlay stops at its size, and at its number of files", root, async () => {
  using rootfs = new BusyboxRoot();
  const before = rootfs.hash();
  const overlay = ["--rootfs", rootfs.path, "--rootfs-size", "8M", "--", "/bin/sh", "-c"];
  const filled = await runSandbox([
    ...overlay,
    "dd if=/dev/zero of=/fill bs=64k count=1000 2>&1 | grep -o 'No space left.*'; stat -c %s /fill; fallocate -l 1G /big || echo refused",
  ]);
  const [reason, bytes, refused] = filled.stdout.trimEnd().split("\n");
  assert.equal([reason, refused], ["No space left on device", "refused"], filled.stderr);
  assert.ok(Number(bytes) > 7 << 20 && Number(bytes) <= 8 << 20, bytes);
  const files = await runSandbox([
    ...overlay,
    "i=0; while true 2>/dev/null > /f$i; do i=$((i + 1)); [ $i = 4000 ] && break; done; echo $i",
  ]);
  assert.ok(Number(files.stdout) > 1900 && Number(files.stdout) < 2048, `one for each 4 KiB: ${files.stdout}`);
  const usual = await runSandbox(["--rootfs", rootfs.path, "--", "/bin/sh", "-c", "df -k / | tail -1 | tr -s ' '"]);
  assert.is(usual.stdout.split(" ")[1], "1048576", "1 GiB when nothing is said");
  assert.is(rootfs.hash(), before);
});

test("F10 a fill of a tmpfs stops at its size, fallocate and files included", root, async () => {
  const script =
    "fallocate -l 2M /t/a 2>&1 | grep -o 'No space.*'; dd if=/dev/zero of=/t/b bs=1M count=4 2>&1 | grep -o 'No space.*'; rm /t/*; i=0; while true 2>/dev/null > /t/f$i; do i=$((i + 1)); [ $i = 4000 ] && break; done; echo $i";
  const ran = await runSandbox(["--tmpfs", "/t:1M", "--", "sh", "-c", script]);
  assert.is(ran.stdout, "No space left on device\nNo space left on device\n1023\n");
});

test("two jobs on one rootfs at once never see each other's files, and it is unchanged after both", root, async () => {
  using rootfs = new BusyboxRoot();
  const before = rootfs.hash();
  await using zygote = await TestZygote.open();
  const job = (own: string, other: string) =>
    zygote.start({
      argv: [
        "/bin/sh",
        "-c",
        `echo ${own} > /shared; echo ${own} > /bin/${own}; rm /etc/passwd; mkdir /home/${own}; echo ready; read line;
        ls / /bin /home | grep -c ${other}; cat /shared; ls /etc`,
      ],
      stdin: true,
      rootfs: { path: rootfs.path, mode: "overlay" },
    });
  const jobs = [await job("alpha", "beta"), await job("beta", "alpha")];
  for (const started of jobs) {
    const control = await started.control();
    control.input(Buffer.from("go\n"));
    control.inputEnd();
  }
  const ended = await Promise.all(jobs.map(({ finished }) => finished));
  assert.equal(
    ended.map(({ stdout }) => stdout),
    ["ready\n0\nalpha\nhosts\nhostname\n", "ready\n0\nbeta\nhosts\nhostname\n"].map((text) =>
      text.replace("hosts\nhostname", "hostname\nhosts"),
    ),
  );
  assert.is(rootfs.hash(), before);
});

for (const mode of ["overlay", "ro", "rw"]) {
  test(
    `a job on a rootfs has its own host name and hosts, and HOME and groups as its passwd says: ${mode}`,
    root,
    async () => {
      using rootfs = new BusyboxRoot();
      const before = rootfs.hash();
      const script = "hostname; cat /etc/hostname /etc/hosts; echo $HOME; cd bin; ./id; id -G";
      const options = ["--rootfs", `${rootfs.path}:${mode}`, "--hostname", "box", "--user", "1000"];
      const ran = await runSandbox([...options, "--", "sh", "-c", script]);
      assert.is(ran.stderr, "");
      const lines = ran.stdout.split("\n");
      assert.equal(lines.slice(0, 3), ["box", "box", "127.0.0.1\tlocalhost box"]);
      assert.equal(lines.slice(-4, -1), ["/home", "uid=1000(worker) gid=1000", "1000"]);
      assert.is(rootfs.hash(), before);
    },
  );
}

test("what a job changes in a rw rootfs stays, owned as the job sees it", root, async () => {
  using rootfs = new BusyboxRoot();
  const script = "echo kept > /root/kept; chown 1000:1000 /root/kept 2>/dev/null; stat -c %u /root/kept /";
  const ran = await runSandbox(["--rootfs", `${rootfs.path}:rw`, "--", "sh", "-c", script]);
  assert.is(ran.stdout, "0\n0\n", ran.stderr);
  const owner = execFileSync("stat", ["-c", "%u %s", join(rootfs.path, "root/kept")], { encoding: "utf8" });
  assert.is(owner, "0 5\n");
});

test("a job that is still running holds nothing of another on the same rootfs up", root, async () => {
  using rootfs = new BusyboxRoot();
  const first = startSandbox(["--rootfs", rootfs.path, "--", "/bin/sh", "-c", "echo up; sleep 60"]);
  await first.sees("up\n");
  assert.is((await runSandbox(["--rootfs", rootfs.path, "--", "/bin/echo", "second"])).stdout, "second\n");
  first.child.kill("SIGTERM");
  await first.ended;
});
